import { expect, test } from "vitest";
import { errorText } from "../../src/cli/error-text.ts";
import { ConfigError, UnavailableError } from "../../src/errors.ts";

const withCode = (message: string, fields: object): Error => Object.assign(new Error(message), fields);

test.each<[name: string, error: Error, text: string]>([
  ["an error of this package", new ConfigError(["PORT is 0"]), "The configuration is invalid:\n  - PORT is 0"],
  [
    "an error that names the form of a URL",
    new ConfigError(['DATABASE_URL must be "postgres://USER:PASSWORD@HOST/DATABASE"']),
    'The configuration is invalid:\n  - DATABASE_URL must be "postgres://USER:PASSWORD@HOST/DATABASE"',
  ],
  ["an error of the operating system", withCode("open x", { code: "EACCES", syscall: "open" }), "open x"],
  [
    "an error of PostgreSQL",
    withCode("permission denied for table lanes", { code: "42501" }),
    "permission denied for table lanes",
  ],
  ["an error of SQLite", withCode("no such table: lanes", { code: "ERR_SQLITE_ERROR" }), "no such table: lanes"],
])("the terminal shows only the message of %s", (_name, error, text) => {
  expect(errorText(error)).toBe(text);
});

test.each([
  ["without a code", new TypeError("x is undefined")],
  ["with a code of Node", withCode("the argument is invalid", { code: "ERR_INVALID_ARG_TYPE" })],
  ["with another code", withCode("unknown", { code: "resource_missing" })],
])("the terminal shows the stack of an unexpected error %s", (_name, error) => {
  expect(errorText(error)).toBe(error.stack);
});

test("the terminal shows no secret of an error, of its cause or of a thrown text", () => {
  const secret = "sk_live_abc postgres://ada:pw@db.test/x";
  const masked = "sk_live_… postgres://…@db.test/x";
  expect(errorText(withCode(secret, { code: "EACCES", syscall: "open" }))).toBe(masked);
  expect(errorText(new UnavailableError("store_unavailable", "Down.", { cause: new Error(secret) }))).toBe(
    `Down.\nCause: ${masked}`,
  );
  expect(errorText(secret)).toBe(masked);
});
