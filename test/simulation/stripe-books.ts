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
const OPEN_DISPUTES = new Set(["needs_response", "under_review"]);
/** Seconds by which a period's invoice may be older than the period. */
const INVOICE_LEAD_SECONDS = 60;
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

/**
 * Returns the user's customers that the service created and no person moved to the user. The service may know nothing yet of other
 * customers.
 */
function createdByService(tables: Tables, userId: string, isMoved: (customerId: string) => boolean): Set<string> {
  const ids = [...customersOf(tables, userId)];
  return new Set(ids.filter((id) => !isMoved(id) && tables.customer.get(id)?.metadata[OPERATION_KEY] !== undefined));
}

export function usersOf(tables: Tables): string[] {
  const users = [...tables.customer.values()].flatMap((customer) =>
    isDeleted(customer) ? [] : (customer.metadata[USER_KEY] ?? []),
  );
  return [...new Set(users)];
}

/** Returns the invoices of all customers that belong to a user, if something was paid. */
export function paidInvoices(tables: Tables): string[] {
  return [...tables.invoice.values()].flatMap(({ id, status, amount_paid: paid, customer }) => {
    const owner = tables.customer.get(customer);
    return status === "paid" && paid > 0 && owner && !isDeleted(owner) && owner.metadata[USER_KEY] !== undefined
      ? [id]
      : [];
  });
}

function planOf(tables: Tables, price: { product: string }): string | undefined {
  return tables.product.get(price.product)?.metadata["tollkeeper_plan"];
}

/** Checks that the service opens no checkout for a user who already has a live subscription in the plan group (rule I6). */
export function checkCheckout(
  tables: Tables,
  plans: readonly AuditedPlan[],
  { subject, now, isMoved }: { subject: string; now: number; isMoved: (customerId: string) => boolean },
  violate: Violate,
): void {
  const [owner = "", group] = subject.split(" ");
  const userId = owner.replace(/^user:/, "");
  const customers = createdByService(tables, userId, isMoved);
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

/**
 * Checks the auditor's rules I5, I6 and I7 with Stripe's data only. Customers that a person created or moved to another user are
 * not checked, because the service did not decide about them. The users in `forgottenUsers` may have a second customer and a
 * second subscription.
 */
export function checkBooks(
  tables: Tables,
  { isMoved, forgottenUsers }: { isMoved: (customerId: string) => boolean; forgottenUsers: ReadonlySet<string> },
  violate: Violate,
): void {
  for (const userId of usersOf(tables)) {
    if (forgottenUsers.has(userId)) continue;
    const customers = new Set([...customersOf(tables, userId)].filter((id) => !isMoved(id)));
    const created = createdByService(tables, userId, isMoved).size;
    if (created > 1) violate(`I5: the service created ${created} customers for ${userId}`);
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

/** Returns the users for whom the service has created a customer or a checkout session since the instant `since`. */
export function usersServedSince(tables: Tables, since: number): string[] {
  const isOfService = ({ created, metadata }: { created: number; metadata?: Record<string, string> | null }): boolean =>
    created * 1_000 >= since && metadata?.[OPERATION_KEY] !== undefined;
  const customers = [...tables.customer.values()].filter((customer) => !isDeleted(customer) && isOfService(customer));
  const sessions = [...tables["checkout.session"].values()].filter(isOfService);
  const ids = new Set([...customers.map(({ id }) => id), ...sessions.map(({ customer }) => customer)]);
  return usersOf(tables).filter((userId) => [...customersOf(tables, userId)].some((id) => ids.has(id)));
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
  return givesAccessByStatus(tables, row, now) && !isTakenBack(tables, row);
}

function givesAccessByStatus(tables: Tables, row: StripeSubscription, now: number): boolean {
  const endsLater = row.cancel_at === null || row.cancel_at * 1_000 > now;
  const paidUntil = Math.max(...row.items.data.map((item) => item.current_period_end * 1_000));
  const invoice = row.latest_invoice === null ? undefined : tables.invoice.get(row.latest_invoice);
  switch (row.status) {
    case "active":
    case "trialing": {
      const behavior = row.pause_collection?.behavior ?? "keep_as_draft";
      if (behavior === "keep_as_draft") return endsLater;
      return endsLater && now < paidUntil && (invoice === undefined || invoice.status === "paid");
    }
    case "past_due": {
      const unpaid = [...tables.invoice.values()].filter(
        ({ status, parent }) => status === "open" && parent?.subscription_details?.subscription === row.id,
      );
      const starts = row.items.data.map((item) => item.current_period_start);
      const since =
        unpaid.length > 0 ? Math.min(...unpaid.map((one) => one.due_date ?? one.created)) : Math.max(...starts);
      return endsLater && now < since * 1_000 + GRACE_MS;
    }
    case "canceled":
      return invoice?.status === "paid" && invoice.total > 0 && now < paidUntil;
    default:
      return false;
  }
}

/** Returns true if the current period was refunded in full, or if a payment of the subscription is disputed or lost. */
function isTakenBack(tables: Tables, row: StripeSubscription): boolean {
  const invoices = [...tables.invoice.values()].filter(
    ({ parent }) => parent?.subscription_details?.subscription === row.id,
  );
  const invoiceIds = new Set(invoices.map(({ id }) => id));
  const isDisputed = [...tables.dispute.values()].some(
    ({ status, payment_intent: intent }) =>
      (OPEN_DISPUTES.has(status) || status === "lost") && invoiceIds.has(invoiceOf(tables, intent)),
  );
  if (isDisputed) return true;
  const start = Math.max(...row.items.data.map((item) => item.current_period_start));
  const current = invoices.filter(({ created }) => created >= start - INVOICE_LEAD_SECONDS);
  // A refund returns only card payments. An invoice that the customer's credit paid keeps access to its period.
  if (current.some(({ status, total, amount_paid: amount }) => status === "paid" && total > 0 && amount === 0))
    return false;
  const paid = current.reduce((total, { amount_paid: amount }) => total + amount, 0);
  const refunded = [...tables.refund.values()].reduce((total, { amount, status, payment_intent: intent }) => {
    const isCounted = status === "succeeded" || status === "pending";
    return isCounted && current.some(({ id }) => id === invoiceOf(tables, intent)) ? total + amount : total;
  }, 0);
  return refunded > 0 && refunded >= paid;
}

/** Returns the id of the invoice that a payment intent has paid; an empty text if there is none. */
function invoiceOf(tables: Tables, intent: string | null): string {
  const payment = [...tables.invoice_payment.values()].find((row) => row.payment.payment_intent === intent);
  return payment?.invoice ?? "";
}

/** Returns the ids of the refunds that succeeded and of the open disputes, about payments of customers that belong to a user. */
export function reportableReversals(tables: Tables): { refunds: string[]; disputes: string[] } {
  const isOwned = (chargeId: string): boolean => {
    const customer = tables.charge.get(chargeId)?.customer ?? null;
    const owner = customer === null ? undefined : tables.customer.get(customer);
    return owner !== undefined && !isDeleted(owner) && owner.metadata[USER_KEY] !== undefined;
  };
  const refunds = [...tables.refund.values()].filter(({ charge, status }) => status === "succeeded" && isOwned(charge));
  const disputes = [...tables.dispute.values()].filter(
    ({ charge, status }) => OPEN_DISPUTES.has(status) && isOwned(charge),
  );
  return { refunds: refunds.map(({ id }) => id), disputes: disputes.map(({ id }) => id) };
}
