/** Queues are claimed by lane, so that a claim costs the same however many rows wait in one. */
import type { MigrationStep } from "./index.ts";

export const lanes: MigrationStep = {
  name: "0003-lanes",
  statements: () => [
    `create table queue_lanes (mode text not null, queue text not null, lane text not null, due_at bigint,
      leased_until bigint not null, leases integer not null, primary key (mode, queue, lane))`,
    `create index queue_lanes_due on queue_lanes (mode, queue, due_at, lane) where due_at is not null`,
    `drop index inbox_due`,
    `drop index inbox_lanes`,
    `drop index outbox_due`,
    `update inbox set state = 'new', run_at = received_at where state = 'pending'`,
    `update outbox set state = 'new', run_at = created_at where state = 'pending'`,
    `alter table inbox drop column leased_until`,
    `alter table outbox drop column leased_until`,
    `create index inbox_new on inbox (mode, seq) where state = 'new'`,
    `create index outbox_new on outbox (mode, seq) where state = 'new'`,
    `create index inbox_lanes on inbox (mode, lane, run_at, seq) where state = 'pending'`,
    `create index inbox_objects on inbox (mode, object_id) where state = 'pending'`,
  ],
};
