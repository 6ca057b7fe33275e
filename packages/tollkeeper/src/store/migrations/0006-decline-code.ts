/** Adds the reason for which a payment was declined. */
import type { MigrationStep } from "./step.ts";

export const declineCode: MigrationStep = {
  name: "0006-decline-code",
  statements: () => ["alter table invoices add column decline_code text"],
};
