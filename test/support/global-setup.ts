/** One real PostgreSQL for the whole run; each test makes its own database in it. And the packages that tests run. */
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
