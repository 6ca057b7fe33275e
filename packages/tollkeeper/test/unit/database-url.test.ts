import { describe, expect, test } from "vitest";
import { parseDatabaseUrl } from "../../src/database-url.ts";

test.each([
  ["file:app.sqlite", "app.sqlite"],
  ["file:./data/app.sqlite", "./data/app.sqlite"],
  ["file:../app.sqlite", "../app.sqlite"],
  ["file:/var/lib/app.sqlite", "/var/lib/app.sqlite"],
  ["file:///var/lib/my%20app.sqlite", "/var/lib/my app.sqlite"],
  ["file:///C:/data/app.sqlite", "C:/data/app.sqlite"],
  ["file:C:\\data\\app.sqlite", "C:\\data\\app.sqlite"],
  ["file::memory:", ":memory:"],
])("DATABASE_URL %s is the SQLite file %s", (url, path) => {
  expect(parseDatabaseUrl(url)).toEqual({ dialect: "sqlite", path });
});

test.each([
  "postgres://db.example",
  "postgresql://ada:secret@db.example:5433/app?sslmode=require",
  "postgres://ada:se%23cret@[::1]/app",
  "postgres:///app?host=/var/run/postgresql",
])("DATABASE_URL %s is a PostgreSQL database", (url) => {
  expect(parseDatabaseUrl(url)).toEqual({ dialect: "postgres" });
});

describe("DATABASE_URL is refused", () => {
  test.each([
    ["of another database", "mysql://ada:donttell@x", 'must be "file:PATH" for SQLite or "postgres://'],
    ["with a misspelt scheme", "postgress://ada:donttell@x", 'did you mean "postgres:"?'],
    ["with a misspelt file scheme", "fil:donttell", 'did you mean "file:"?'],
    ["without a scheme", "data/donttell.sqlite", 'must be "file:PATH"'],
    ["with a host instead of a folder", "file://donttell/app.sqlite", 'must not begin with "file://"'],
    ["with SQLite's options", "file:donttell.sqlite?mode=ro", "without ? and #"],
    ["without a path", "file:", "has no path"],
    ["with a blank path", "file: ", "has no path"],
    ["that ends like a folder", "file:donttell/", "names a folder"],
    ["of the working folder", "file:.", "names a folder"],
    ["of the folder above", "file:data/..", "names a folder"],
    ["with a wrong code", "file:///donttell%zz", "with % only in codes"],
    ["with an unescaped # in the password", "postgres://ada:dont#tell@x/db", "encode special characters"],
    ["of PostgreSQL without a host", "postgres://", "must have the form"],
    ["of PostgreSQL without slashes", "postgres:donttell", "must have the form"],
  ])("%s", (_name, url, problem) => {
    const parsed = parseDatabaseUrl(url);
    expect(parsed).toEqual({ problem: expect.stringContaining(problem) as string });
    expect(JSON.stringify(parsed)).not.toMatch(/donttell|dont#tell/);
  });
});
