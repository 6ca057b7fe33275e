/**
 * Declares the types of all database tables for Kysely. In the tables, instants are epoch milliseconds, flags are 0 or 1, and
 * JSON is text. The column `mode` separates test data from live data.
 */
import type { Generated } from "kysely";
import type { OperationState } from "../domain/operations.ts";
import type { OwnerKind } from "../domain/owner.ts";
import type { BillingInterval, InvoiceRecord, InvoiceStatus, Mode, SubscriptionStatus } from "../domain/records.ts";

/** The columns of each table. docs/scale.md names the column by which each table can be partitioned. */
export interface Schema {
  customerLinks: { mode: Mode; ownerKind: OwnerKind; ownerId: string; customerId: string; linkedAt: number };
  lanes: { mode: Mode; lane: string; version: number };
  customers: {
    mode: Mode;
    id: string;
    /**
     * Kind of the owner to whom the customer belongs: a user or an organization. `ownerKind` and `ownerId` are null if the
     * customer's metadata names no owner.
     */
    ownerKind: OwnerKind | null;
    ownerId: string | null;
    deleted: number;
    defaultPaymentMethodId: string | null;
  };
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
  inbox: QueueRow & {
    eventId: string;
    type: string;
    objectId: string;
    eventCreatedAt: number;
    /** Id of the API request that caused the event; null if Stripe itself caused it. */
    requestId: string | null;
    /** The compressed body of the event; null if bodies are not stored. */
    body: string | null;
    receivedAt: number;
  };
  outbox: QueueRow & {
    id: string;
    ownerKind: OwnerKind;
    ownerId: string;
    hook: string;
    payload: string;
    createdAt: number;
  };
  queueLanes: {
    mode: Mode;
    queue: "inbox" | "outbox";
    lane: string;
    /** The next time at which the lane has work; null if the lane has no work. */
    dueAt: number | null;
    /** The time until which the lane is leased to one worker. */
    leasedUntil: number;
    /**
     * Number of leases that the lane has had so far. The number of a lane's leases is the fencing token of the current lease.
     */
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
    keyEndsAt: number;
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
  announcedAccess: { mode: Mode; ownerKind: OwnerKind; ownerId: string; features: string; checkAt: number | null };
}

interface QueueRow {
  seq: Generated<number>;
  mode: Mode;
  lane: string;
  state: QueueState;
  runAt: number;
  attempts: number;
  reason: string | null;
}

/**
 * States of a row in inbox and outbox. A `new` row is not assigned to its lane yet. The next claim assigns each `new` row to
 * its lane and makes it `pending`.
 */
export type QueueState = "new" | "pending" | "done" | "dead";
