/** Creates the tables that remember the Stripe account of each mode, and the plans and policies of the app's versions. */
import type { MigrationStep } from "./step.ts";

export const accounts: MigrationStep = {
  name: "0003-accounts",
  statements: () => [
    `create table stripe_accounts (mode text not null primary key, account_id text not null,
      confirmed_at bigint not null)`,
  ],
};

export const catalogues: MigrationStep = {
  name: "0003-catalogues",
  statements: () => [
    `create table catalogues (mode text not null, fingerprint text not null, generation integer not null,
      plans text not null, policy text not null, primary key (mode, fingerprint))`,
    `create table known_plans (mode text not null, id text not null, plan text not null, primary key (mode, id))`,
    `alter table replicas add column catalogue text`,
  ],
};
