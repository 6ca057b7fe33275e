/** Creates a new database for each test, on SQLite or PostgreSQL. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject, onTestFinished } from "vitest";

export const DIALECTS = ["sqlite", "postgres"] as const;
export type DialectName = (typeof DIALECTS)[number];

/** Returns the URL of a new, empty database. Drops the new database at the end of the test. */
export async function freshDatabase(dialect: DialectName): Promise<string> {
  return dialect === "sqlite" ? freshSqlite() : freshPostgres();
}

function freshSqlite(): string {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return `file:${join(folder, "test.sqlite")}`;
}

async function freshPostgres(): Promise<string> {
  const server = inject("postgresUrl");
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await administer(server, `create database ${name}`);
  // The connections of a closed connection pool may still be open for a moment. PostgreSQL drops the database only after all
  // connections have ended. With the option `force`, PostgreSQL would abort the last SQL statements of the connections.
  onTestFinished(() => administer(server, `drop database ${name}`));
  const url = new URL(server);
  url.pathname = `/${name}`;
  return url.href;
}

async function administer(url: string, statement: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(statement);
  await client.end();
}
