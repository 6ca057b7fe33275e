/**
 * Starts one PostgreSQL server for the whole test run. Each test creates a separate database on the shared PostgreSQL server.
 * Also installs the npm packages that tests need.
 */
import type { TestProject } from "vitest/node";
import { installEcosystem } from "./ecosystem.ts";
import { startPostgres } from "./postgres.ts";

declare module "vitest" {
  interface ProvidedContext {
    postgresUrl: string;
  }
}

export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  await installEcosystem();
  const postgres = await startPostgres();
  project.provide("postgresUrl", postgres.url);
  return () => postgres.stop();
}
