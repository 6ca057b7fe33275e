/** A fresh database for each test, on either store. */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { inject, onTestFinished } from "vitest";

export const DIALECTS = ["sqlite", "postgres"] as const;
export type DialectName = (typeof DIALECTS)[number];

/** The URL of a new, empty database, dropped when the test is over. */
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
  // A pool that has ended may still be hanging up. PostgreSQL waits some seconds for that; force would cut its last words short.
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
