/** Creates the table that remembers the Stripe account of each mode. */
import type { MigrationStep } from "./step.ts";

export const accounts: MigrationStep = {
  name: "0003-accounts",
  statements: () => [
    `create table stripe_accounts (mode text not null primary key, account_id text not null,
      confirmed_at bigint not null)`,
  ],
};
