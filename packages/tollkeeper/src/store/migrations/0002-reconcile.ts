/** How far long work has come, and whose it is; and which replicas live. */
import type { MigrationStep } from "./index.ts";

export const reconcile: MigrationStep = {
  name: "0002-reconcile",
  statements: () => [
    `create table tasks (mode text not null, name text not null, holder text, leased_until bigint not null,
      progress text, finished_at bigint, primary key (mode, name))`,
    `create index customers_of_user on customers (mode, user_id) where user_id is not null`,
    `create index operations_pending on operations (mode, created_at) where state = 'pending'`,
    `create index inbox_done on inbox (mode, run_at) where state = 'done'`,
    `create index outbox_done on outbox (mode, run_at) where state = 'done'`,
    `create table replicas (mode text not null, id text not null, seen_at bigint not null, primary key (mode, id))`,
  ],
};
