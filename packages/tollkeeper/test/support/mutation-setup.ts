/** Gives the tests the address of the PostgreSQL server that `npm run mutate` started. */
import type { TestProject } from "vitest/node";

export default function setUp(project: TestProject): void {
  project.provide("postgresUrl", process.env["TEST_DATABASE_URL"] ?? "");
}
