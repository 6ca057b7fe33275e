/** Tests which errors of PostgreSQL and of the network mean that the database is unavailable. */
import { expect, test } from "vitest";
import { isPostgresOutOfService } from "../../src/store/postgres.ts";

const withCode = (code: string, message = "failed"): Error => Object.assign(new Error(message), { code });

test.each([
  "ECONNREFUSED",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "EHOSTDOWN",
  "ENETDOWN",
  "ECONNABORTED",
  "08006",
  "25006",
  "25P03",
  "25P04",
  "40001",
  "53300",
  "55P03",
  "57P01",
])("the error code %s means that PostgreSQL is unavailable", (code) => {
  expect(isPostgresOutOfService(withCode(code))).toBe(true);
});

test("a missing Unix socket means that PostgreSQL is unavailable, and another missing file does not", () => {
  expect(isPostgresOutOfService(withCode("ENOENT", "connect ENOENT /run/postgresql/.s.PGSQL.5432"))).toBe(true);
  expect(isPostgresOutOfService(withCode("ENOENT", "ENOENT: no such file or directory, mkdir '/data'"))).toBe(false);
});

test.each(["23505", "42P01", "25001", "22P02", "EACCES"])(
  "the error code %s means that the caller is wrong, so a retry does not help",
  (code) => {
    expect(isPostgresOutOfService(withCode(code))).toBe(false);
  },
);
