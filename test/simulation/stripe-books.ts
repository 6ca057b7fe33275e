/** Interprets Stripe's data in the emulator with code that is independent of the service's code. */
import {
  DAY_MS,
  PENDING_MS,
  type AuditedPlan,
  type StripeSubscription,
  type Tables,
  type Violate,
} from "./audit-types.ts";

export const USER_KEY = "auth0_user_id";
const OPERATION_KEY = "tollkeeper_operation";
const GRACE_MS = 7 * DAY_MS;
const LIVE = new Set(["trialing", "active", "past_due", "unpaid", "paused"]);

export function isDeleted(customer: object): boolean {
  return "deleted" in customer;
}

function customersOf(tables: Tables, userId: string): Set<string> {
  const ids = new Set<string>();
  for (const customer of tables.customer.values())
    if (!isDeleted(customer) && customer.metadata[USER_KEY] === userId) ids.add(customer.id);
  return ids;
}

export function usersOf(tables: Tables): string[] {
  const users = [...tables.customer.values()].flatMap((customer) =>
    isDeleted(customer) ? [] : (customer.metadata[USER_KEY] ?? []),
  );
  return [...new Set(users)];
}

/** Returns the paid invoices of all customers that belong to a user. */
export function paidInvoices(tables: Tables): string[] {
  return [...tables.invoice.values()].flatMap(({ id, status, customer }) => {
    const owner = tables.customer.get(customer);
    return status === "paid" && owner && !isDeleted(owner) && owner.metadata[USER_KEY] !== undefined ? [id] : [];
  });
}

function planOf(tables: Tables, price: { product: string }): string | undefined {
  return tables.product.get(price.product)?.metadata["tollkeeper_plan"];
}

/** Checks that the service opens no checkout for a user who already has a live subscription in the plan group (rule I6). */
export function checkCheckout(
  tables: Tables,
  plans: readonly AuditedPlan[],
  { subject, now }: { subject: string; now: number },
  violate: Violate,
): void {
  const [owner = "", group] = subject.split(" ");
  const userId = owner.replace(/^user:/, "");
  const customers = customersOf(tables, userId);
  // A subscription that was created in the dashboard is live immediately, and no operation of the service created it.
  for (const { id, customer, status, created, metadata, items } of tables.subscription.values()) {
    if (!customers.has(customer) || !LIVE.has(status) || metadata[OPERATION_KEY] !== undefined) continue;
    const isInGroup = items.data.some(
      ({ price }) => plans.find((plan) => plan.id === planOf(tables, price))?.group === group,
    );
    if (isInGroup && now - created * 1_000 > PENDING_MS)
      violate(`I6: a checkout was opened for ${userId}, who has ${id}`);
  }
}

/** Checks the auditor's rules I5, I6 and I7 with Stripe's data only. */
export function checkBooks(tables: Tables, violate: Violate): void {
  for (const userId of usersOf(tables)) {
    const customers = customersOf(tables, userId);
    if (customers.size > 1) violate(`I5: ${userId} has ${customers.size} customers`);
    // No operation of the service belongs to a subscription that was created in the dashboard.
    const live = [...tables.subscription.values()].filter(
      ({ customer, status, metadata }) =>
        customers.has(customer) && LIVE.has(status) && metadata[OPERATION_KEY] !== undefined,
    );
    if (live.length > 1) violate(`I6: ${userId} has ${live.length} live subscriptions of the service`);
  }
  checkOperations(tables["checkout.session"].values(), "checkout sessions", violate);
  const customers = [...tables.customer.values()].filter((customer) => !isDeleted(customer));
  checkOperations(customers, "customers", violate);
}

/** Checks that each operation has created at most one object at Stripe. */
function checkOperations(rows: Iterable<object>, kind: string, violate: Violate): void {
  const counts = new Map<string, number>();
  for (const row of rows) {
    const operation = (row as { metadata?: Record<string, string> | null }).metadata?.[OPERATION_KEY];
    if (operation !== undefined) counts.set(operation, (counts.get(operation) ?? 0) + 1);
  }
  for (const [operation, count] of counts) if (count > 1) violate(`I7: ${operation} created ${count} ${kind}`);
}

/** Returns the features to which the user is entitled by Stripe's data, including grace periods. */
export function entitledFeatures(tables: Tables, plans: readonly AuditedPlan[], userId: string, now: number): string[] {
  const customers = customersOf(tables, userId);
  const features = new Set<string>();
  for (const row of tables.subscription.values()) {
    if (!customers.has(row.customer) || !givesAccess(tables, row, now)) continue;
    for (const item of row.items.data) {
      const planId = planOf(tables, item.price);
      for (const feature of plans.find(({ id }) => id === planId)?.features ?? []) features.add(feature);
    }
  }
  return [...features].toSorted();
}

function givesAccess(tables: Tables, row: StripeSubscription, now: number): boolean {
  const endsLater = row.cancel_at === null || row.cancel_at * 1_000 > now;
  const paidUntil = Math.max(...row.items.data.map((item) => item.current_period_end * 1_000));
  switch (row.status) {
    case "active":
    case "trialing":
      return endsLater;
    case "past_due": {
      const unpaid = [...tables.invoice.values()].filter(
        ({ status, parent }) => status === "open" && parent?.subscription_details?.subscription === row.id,
      );
      const starts = row.items.data.map((item) => item.current_period_start);
      const since = unpaid.length > 0 ? Math.min(...unpaid.map(({ created }) => created)) : Math.max(...starts);
      return endsLater && now < since * 1_000 + GRACE_MS;
    }
    case "canceled": {
      const invoice = row.latest_invoice === null ? undefined : tables.invoice.get(row.latest_invoice);
      return invoice?.status === "paid" && invoice.total > 0 && now < paidUntil;
    }
    default:
      return false;
  }
}
