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
  // Before this step, an owner's second customer was mirrored without a link. It is linked after the first one, so that the
  // first one stays the primary customer.
  `insert into customer_links (mode, customer_id, owner_kind, owner_id, linked_at)
    select c.mode, c.id, c.owner_kind, c.owner_id, coalesce((select o.linked_at + 1 from old_customer_links as o
      where o.mode = c.mode and o.owner_kind = c.owner_kind and o.owner_id = c.owner_id), 0)
    from customers as c where c.owner_id is not null and c.deleted = 0
    on conflict do nothing`,
  `drop table old_customer_links`,
  `create index customer_links_of_owner on customer_links (mode, owner_kind, owner_id)`,
  `alter table customers add column created_at bigint not null default 0`,
  // The next sweep replaces the times of the links by the times at which Stripe created the customers.
  `update customers set created_at = coalesce((select l.linked_at from customer_links as l
    where l.mode = customers.mode and l.customer_id = customers.id), 0)`,
];

const PAYMENTS: readonly string[] = [
  `alter table subscriptions add column pause_behavior text`,
  `alter table subscriptions add column pause_resumes_at bigint`,
  `alter table invoices add column due_at bigint`,
  `alter table invoices add column amount_remaining bigint not null default 0`,
  `update invoices set amount_remaining = total - amount_paid where status = 'open'`,
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
