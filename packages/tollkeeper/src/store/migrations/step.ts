/** Declares a migration step: one numbered change of the tables. */
import type { Dialect } from "../dialect.ts";

export interface MigrationStep {
  name: string;
  statements: (dialect: Dialect) => string[];
}
