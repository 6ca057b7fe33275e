/**
 * Links an owner to several customers. Adds refunds, disputes, paused collection, due dates and the amounts that are still to
 * pay.
 */
import { sqliteStatistics } from "./statistics.ts";
import type { MigrationStep } from "./step.ts";

const CUSTOMERS: readonly string[] = [
  `alter table customer_links rename to old_customer_links`,
  `create table customer_links (mode text not null, customer_id text not null, owner_kind text not null,
    owner_id text not null, linked_at bigint not null, primary key (mode, customer_id))`,
  `insert into customer_links (mode, customer_id, owner_kind, owner_id, linked_at)
    select mode, customer_id, owner_kind, owner_id, linked_at from old_customer_links`,
  // Before this step, an owner's second customer was mirrored without a link.
  `insert into customer_links (mode, customer_id, owner_kind, owner_id, linked_at)
    select mode, id, owner_kind, owner_id, 0 from customers where owner_id is not null and deleted = 0
    on conflict do nothing`,
  `drop table old_customer_links`,
  `create index customer_links_of_owner on customer_links (mode, owner_kind, owner_id)`,
  `alter table customers add column created_at bigint not null default 0`,
];

const PAYMENTS: readonly string[] = [
  `alter table subscriptions add column pause_behavior text`,
  `alter table subscriptions add column pause_resumes_at bigint`,
  `alter table invoices add column due_at bigint`,
  `alter table invoices add column amount_remaining bigint not null default 0`,
  `create index invoices_of_subscription on invoices (mode, subscription_id)`,
  `create table refunds (mode text not null, id text not null, customer_id text not null, invoice_id text,
    subscription_id text, amount bigint not null, currency text not null, status text not null,
    created_at bigint not null, primary key (mode, id))`,
  `create index refunds_of_subscription on refunds (mode, subscription_id) where subscription_id is not null`,
  `create index refunds_of_invoice on refunds (mode, invoice_id) where invoice_id is not null`,
  `create table disputes (mode text not null, id text not null, customer_id text not null, invoice_id text,
    subscription_id text, amount bigint not null, currency text not null, status text not null,
    created_at bigint not null, primary key (mode, id))`,
  `create index disputes_of_subscription on disputes (mode, subscription_id) where subscription_id is not null`,
];

export const customersAndRefunds: MigrationStep = {
  name: "0002-customers-and-refunds",
  statements: (dialect) => [...CUSTOMERS, ...PAYMENTS, ...(dialect === "sqlite" ? sqliteStatistics() : [])],
};
