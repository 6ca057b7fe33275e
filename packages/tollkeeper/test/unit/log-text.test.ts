import { expect, test } from "vitest";
import { describeError, toLogText } from "../../src/domain/log-text.ts";

test.each([
  ["an email address", "Invalid email: ada+1@example.com.", "Invalid email: (email)"],
  ["a quoted email address", "'ada@example.com' exists", "'(email)' exists"],
  ["a secret key", "Invalid key sk_live_abc123", "Invalid key sk_live_…"],
  ["a signing secret", "whsec_abc is wrong", "whsec_… is wrong"],
  ["a password in a URL", "postgres://ada:pw@db.test/x failed", "postgres://…@db.test/x failed"],
  ["a password with a slash", "postgres://ada:p/w@db.test/x failed", "postgres://…@db.test/x failed"],
  ["a token", "bad token eyJhbGciOi.eyJzdWIi.c2ln", "bad token (token)"],
  ["a bearer token", "Authorization: Bearer abc.def.ghi", "Authorization: Bearer (token)"],
])("a text for the log does not contain %s", (_name, text, expected) => {
  expect(toLogText(text)).toBe(expected);
});

test.each(["must begin with sk_test_, sk_live_ or rk_live_", "at file:///app/node_modules/@acme/x/index.js:1:2"])(
  'a text for the log keeps "%s", which contains no secret',
  (text) => {
    expect(toLogText(text)).toBe(text);
  },
);

test("a text for the log has at most 500 characters", () => {
  expect(toLogText("x".repeat(1_000_000))).toHaveLength(500);
});

test("the description of an error contains its causes, each text once", () => {
  const refused = new Error("connect ECONNREFUSED 127.0.0.1:1");
  expect(describeError(new TypeError("fetch failed", { cause: refused }))).toBe(
    "fetch failed: connect ECONNREFUSED 127.0.0.1:1",
  );
  expect(describeError(new Error("same", { cause: new Error("same") }))).toBe("same");
});

test("the description of an error without a message contains its code and its first inner error", () => {
  const both = Object.assign(new AggregateError([new Error("connect ECONNREFUSED ::1:5432")]), {
    code: "ECONNREFUSED",
  });
  expect(describeError(both)).toBe("ECONNREFUSED: connect ECONNREFUSED ::1:5432");
  expect(describeError(new RangeError(""))).toBe("RangeError");
});

test("the description of an error ends after four causes, even if an error causes itself", () => {
  const circular = new Error("around");
  circular.cause = circular;
  expect(describeError(circular)).toBe("around");
  const deep = [1, 2, 3, 4, 5, 6].reduce<Error>(
    (cause, level) => new Error(`level ${level}`, { cause }),
    new Error("0"),
  );
  expect(describeError(deep)).toBe("level 6: level 5: level 4: level 3");
});

test.each([
  ["text", "text"],
  [42, "a value of the type number"],
  [{ email: "ada@example.com" }, "a value of the type object"],
  [undefined, ""],
])("the description of the thrown value %s contains no data of it except a text", (thrown, expected) => {
  expect(describeError(thrown)).toBe(expected);
});

test("a text for the log keeps the version of a package in a path", () => {
  const frame = "at /app/.pnpm/kysely@0.29.0/x.js:1:2";
  expect(toLogText(frame)).toBe(frame);
});
