/** Until when an operation is sent again under its key; what is pending was so for as long as Stripe keeps keys. */
import { IDEMPOTENCY_KEY_LIFETIME_MS } from "../../domain/operations.ts";
import type { MigrationStep } from "./index.ts";

export const keyEnds: MigrationStep = {
  name: "0005-key-ends",
  statements: () => [
    `alter table operations add column key_ends_at bigint not null default 0`,
    `update operations set key_ends_at = created_at + ${IDEMPOTENCY_KEY_LIFETIME_MS}`,
  ],
};
