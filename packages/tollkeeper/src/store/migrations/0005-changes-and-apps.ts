/** Adds columns for schedules, for ends that the merchant had set, and for the app that sells a product. */
import type { MigrationStep } from "./step.ts";

export const changesAndApps: MigrationStep = {
  name: "0005-changes-and-apps",
  statements: () => [
    "alter table subscriptions add column schedule_id text",
    "alter table subscriptions add column merchant_cancel_at bigint",
    "alter table products add column app text",
  ],
};
