/** Until when an operation is sent again under its key; null of what a version before has begun. */
import type { MigrationStep } from "./index.ts";

export const keyEnds: MigrationStep = {
  name: "0005-key-ends",
  statements: () => [`alter table operations add column key_ends_at bigint`],
};
