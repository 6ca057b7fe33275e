/** Creates all tables: customer links, the mirror, inbox, outbox, operations, announced access, tasks and replicas. */
import { queueStatistics, sqliteStatistics } from "./statistics.ts";
import type { MigrationStep } from "./step.ts";

const MIRROR: readonly string[] = [
  `create table customer_links (mode text not null, owner_kind text not null, owner_id text not null,
    customer_id text not null, linked_at bigint not null, primary key (mode, owner_kind, owner_id),
    unique (mode, customer_id))`,
  `create table lanes (mode text not null, lane text not null, version bigint not null, primary key (mode, lane))`,
  `create table customers (mode text not null, id text not null, owner_kind text, owner_id text,
    deleted integer not null, default_payment_method_id text, primary key (mode, id))`,
  `create index customers_of_owner on customers (mode, owner_kind, owner_id) where owner_id is not null`,
  `create table subscriptions (mode text not null, id text not null, customer_id text not null, status text not null,
    created_at bigint not null, cancel_at_period_end integer not null, cancel_at bigint, canceled_at bigint,
    ended_at bigint, trial_start bigint, trial_end bigint, default_payment_method_id text, latest_invoice_id text,
    primary key (mode, id))`,
  `create index subscriptions_of_customer on subscriptions (mode, customer_id)`,
  `create table subscription_items (mode text not null, id text not null, subscription_id text not null,
    price_id text not null, product_id text not null, quantity integer not null,
    current_period_start bigint not null, current_period_end bigint not null, primary key (mode, id))`,
  `create index items_of_subscription on subscription_items (mode, subscription_id)`,
  `create table invoices (mode text not null, id text not null, customer_id text not null, subscription_id text,
    status text not null, currency text not null, total bigint not null, amount_paid bigint not null,
    attempted integer not null, attempt_count integer not null, next_payment_attempt_at bigint,
    hosted_invoice_url text, created_at bigint not null, payment text not null, failure_message text,
    primary key (mode, id))`,
  `create index open_invoices on invoices (mode, subscription_id) where status = 'open'`,
  `create table payment_methods (mode text not null, id text not null, customer_id text, type text not null,
    brand text, last4 text, exp_month integer, exp_year integer, primary key (mode, id))`,
  `create table products (mode text not null, id text not null, name text not null, active integer not null,
    plan text, primary key (mode, id))`,
  `create table prices (mode text not null, id text not null, product_id text not null, active integer not null,
    lookup_key text, currency text not null, unit_amount bigint, billing_interval text,
    interval_count integer not null, primary key (mode, id))`,
];

const SERVICE: readonly string[] = [
  `create table operations (mode text not null, id text not null, kind text not null, subject text not null,
    generation integer not null, fingerprint text not null, params text, idempotency_key text not null,
    state text not null, result text, created_at bigint not null, key_ends_at bigint not null, finished_at bigint,
    primary key (mode, id), unique (mode, kind, subject, generation))`,
  `create index operations_pending on operations (mode, created_at) where state = 'pending'`,
  `create table announced_access (mode text not null, owner_kind text not null, owner_id text not null,
    features text not null, check_at bigint, primary key (mode, owner_kind, owner_id))`,
  `create index announced_access_due on announced_access (mode, check_at) where check_at is not null`,
  `create table tasks (mode text not null, name text not null, holder text, leased_until bigint not null,
    progress text, finished_at bigint, primary key (mode, name))`,
  `create table replicas (mode text not null, id text not null, seen_at bigint not null, primary key (mode, id))`,
];

/**
 * Returns the SQL statements that create the table of one queue. The parameter `columns` has the queue's own columns. The
 * parameter `seq` is the SQL type of the row's sequence number.
 */
function queueTable(table: "inbox" | "outbox", columns: string, seq: string): string[] {
  return [
    `create table ${table} (seq ${seq}, mode text not null, ${columns}, lane text not null, state text not null,
      run_at bigint not null, attempts integer not null, reason text)`,
    `create index ${table}_new on ${table} (mode, seq) where state = 'new'`,
    `create index ${table}_done on ${table} (mode, run_at) where state = 'done'`,
    `create index ${table}_dead on ${table} (mode, seq) where state = 'dead'`,
  ];
}

function queues(seq: string): string[] {
  return [
    ...queueTable(
      "inbox",
      `event_id text not null, type text not null, object_id text not null, event_created_at bigint not null,
        request_id text, body text, received_at bigint not null`,
      seq,
    ),
    `create unique index inbox_events on inbox (mode, event_id)`,
    `create index inbox_lanes on inbox (mode, lane, run_at, seq) where state = 'pending'`,
    `create index inbox_objects on inbox (mode, object_id) where state = 'pending'`,
    ...queueTable(
      "outbox",
      `id text not null, owner_kind text not null, owner_id text not null, hook text not null, payload text not null,
        created_at bigint not null`,
      seq,
    ),
    `create unique index outbox_messages on outbox (mode, id)`,
    `create index outbox_lanes on outbox (mode, lane, seq) where state = 'pending'`,
    `create table queue_lanes (mode text not null, queue text not null, lane text not null, due_at bigint,
      leased_until bigint not null, leases integer not null, primary key (mode, queue, lane))`,
    `create index queue_lanes_due on queue_lanes (mode, queue, due_at, lane) where due_at is not null`,
  ];
}

export const initial: MigrationStep = {
  name: "0001-initial",
  statements: (dialect) =>
    dialect === "postgres"
      ? [...MIRROR, ...SERVICE, ...queues("bigint generated always as identity primary key"), ...queueStatistics()]
      : [...MIRROR, ...SERVICE, ...queues("integer primary key autoincrement"), ...sqliteStatistics()],
};
