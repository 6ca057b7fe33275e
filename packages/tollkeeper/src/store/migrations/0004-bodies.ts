/** Which request to Stripe an event comes from, and its body where it is kept. */
import type { MigrationStep } from "./index.ts";

export const bodies: MigrationStep = {
  name: "0004-bodies",
  statements: () => [`alter table inbox add column request_id text`, `alter table inbox add column body text`],
};
