/** The tables, as Kysely sees them: instants are epoch milliseconds, flags 0 or 1, JSON is text. `mode` keeps test and live apart. */
import type { Generated } from "kysely";
import type { BillingInterval, InvoiceRecord, InvoiceStatus, Mode, SubscriptionStatus } from "../domain/records.ts";
import type { OperationState } from "../domain/operations.ts";

/**
 * What each would be partitioned by (docs/scale.md): the customer, which is `lane` in the inbox and `id` in customers; an item with
 * its subscription; outbox and access grants by `userId`, operations by `subject`. The others stay small, and whole.
 */
export interface Schema {
  customerLinks: { mode: Mode; userId: string; customerId: string; linkedAt: number };
  lanes: { mode: Mode; lane: string; version: number };
  customers: { mode: Mode; id: string; userId: string | null; deleted: number; defaultPaymentMethodId: string | null };
  subscriptions: {
    mode: Mode;
    id: string;
    customerId: string;
    status: SubscriptionStatus;
    createdAt: number;
    cancelAtPeriodEnd: number;
    cancelAt: number | null;
    canceledAt: number | null;
    endedAt: number | null;
    trialStart: number | null;
    trialEnd: number | null;
    defaultPaymentMethodId: string | null;
    latestInvoiceId: string | null;
  };
  subscriptionItems: {
    mode: Mode;
    id: string;
    subscriptionId: string;
    priceId: string;
    productId: string;
    quantity: number;
    currentPeriodStart: number;
    currentPeriodEnd: number;
  };
  invoices: {
    mode: Mode;
    id: string;
    customerId: string;
    subscriptionId: string | null;
    status: InvoiceStatus;
    currency: string;
    total: number;
    amountPaid: number;
    attempted: number;
    attemptCount: number;
    nextPaymentAttemptAt: number | null;
    hostedInvoiceUrl: string | null;
    createdAt: number;
    payment: InvoiceRecord["payment"];
    failureMessage: string | null;
  };
  paymentMethods: {
    mode: Mode;
    id: string;
    customerId: string | null;
    type: string;
    brand: string | null;
    last4: string | null;
    expMonth: number | null;
    expYear: number | null;
  };
  products: { mode: Mode; id: string; name: string; active: number; plan: string | null };
  prices: {
    mode: Mode;
    id: string;
    productId: string;
    active: number;
    lookupKey: string | null;
    currency: string;
    unitAmount: number | null;
    billingInterval: BillingInterval | null;
    intervalCount: number;
  };
  inbox: {
    seq: Generated<number>;
    mode: Mode;
    eventId: string;
    type: string;
    objectId: string;
    lane: string;
    eventCreatedAt: number;
    /** Null where no request to Stripe caused the event. */
    requestId: string | null;
    /** Packed; null where bodies are not kept. */
    body: string | null;
    receivedAt: number;
    state: QueueState;
    runAt: number;
    attempts: number;
    reason: string | null;
  };
  outbox: {
    seq: Generated<number>;
    mode: Mode;
    id: string;
    userId: string;
    hook: string;
    payload: string;
    createdAt: number;
    state: QueueState;
    runAt: number;
    attempts: number;
    reason: string | null;
  };
  /** A lane of a queue: when it is next to be looked at, if ever, and until when it is somebody's. */
  queueLanes: {
    mode: Mode;
    queue: "inbox" | "outbox";
    lane: string;
    dueAt: number | null;
    leasedUntil: number;
    /** How often it was leased: who holds it knows the number. */
    leases: number;
  };
  operations: {
    mode: Mode;
    id: string;
    kind: string;
    subject: string;
    generation: number;
    fingerprint: string;
    params: string | null;
    idempotencyKey: string;
    state: OperationState;
    result: string | null;
    createdAt: number;
    keyEndsAt: number | null;
    finishedAt: number | null;
  };
  tasks: {
    mode: Mode;
    name: string;
    holder: string | null;
    leasedUntil: number;
    progress: string | null;
    finishedAt: number | null;
  };
  replicas: { mode: Mode; id: string; seenAt: number };
  accessGrants: { mode: Mode; userId: string; features: string; checkAt: number | null };
}

/** `new` rows have come; whoever claims next gives them to their lanes. */
export type QueueState = "new" | "pending" | "done" | "dead";
