/** The first tables: links, the mirror, the inbox, the outbox, operations and announced access. */
import type { MigrationStep } from "./index.ts";

export const initial: MigrationStep = {
  name: "0001-initial",
  statements: (dialect) => {
    const seq =
      dialect === "postgres" ? "bigint generated always as identity primary key" : "integer primary key autoincrement";
    const queue = `state text not null, run_at bigint not null, leased_until bigint not null,
      attempts integer not null, reason text`;
    return [
      `create table customer_links (mode text not null, user_id text not null, customer_id text not null,
        linked_at bigint not null, primary key (mode, user_id), unique (mode, customer_id))`,
      `create table lanes (mode text not null, lane text not null, version bigint not null, primary key (mode, lane))`,
      `create table customers (mode text not null, id text not null, user_id text, deleted integer not null,
        default_payment_method_id text, primary key (mode, id))`,
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
      `create index invoices_to_pay on invoices (mode, subscription_id) where status = 'open'`,
      `create table payment_methods (mode text not null, id text not null, customer_id text, type text not null,
        brand text, last4 text, exp_month integer, exp_year integer, primary key (mode, id))`,
      `create table products (mode text not null, id text not null, name text not null, active integer not null,
        plan text, primary key (mode, id))`,
      `create table prices (mode text not null, id text not null, product_id text not null, active integer not null,
        lookup_key text, currency text not null, unit_amount bigint, billing_interval text,
        interval_count integer not null, primary key (mode, id))`,
      `create table inbox (seq ${seq}, mode text not null, event_id text not null, type text not null,
        object_id text not null, lane text not null, event_created_at bigint not null, received_at bigint not null,
        ${queue}, unique (mode, event_id))`,
      `create index inbox_due on inbox (mode, run_at, seq) where state = 'pending'`,
      `create index inbox_lanes on inbox (mode, lane, seq) where state = 'pending'`,
      `create table outbox (seq ${seq}, mode text not null, id text not null, user_id text not null, hook text not null,
        payload text not null, created_at bigint not null, ${queue}, unique (mode, id))`,
      `create index outbox_due on outbox (mode, run_at, seq) where state = 'pending'`,
      `create index outbox_lanes on outbox (mode, user_id, seq) where state = 'pending'`,
      `create table operations (mode text not null, id text not null, kind text not null, subject text not null,
        generation integer not null, fingerprint text not null, params text, idempotency_key text not null,
        state text not null, result text, created_at bigint not null, finished_at bigint,
        primary key (mode, id), unique (mode, kind, subject, generation))`,
      `create table access_grants (mode text not null, user_id text not null, features text not null, check_at bigint,
        primary key (mode, user_id))`,
      `create index access_grants_due on access_grants (mode, check_at) where check_at is not null`,
    ];
  },
};
