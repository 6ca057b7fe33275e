/**
 * Declares the types of all database tables for Kysely. In the tables, instants are epoch milliseconds, flags are 0 or 1, and
 * JSON is text. The column `mode` separates test data from live data.
 */
import type { Generated } from "kysely";
import type { QueueTable } from "./queue/queue-scope.ts";
import type { OperationRecord } from "../domain/operations.ts";
import type { OwnerKind } from "../domain/owner.ts";
import type {
  BillingInterval,
  CustomerRecord,
  DisputeRecord,
  InvoiceRecord,
  Mode,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  RefundRecord,
  SubscriptionItemRecord,
  SubscriptionRecord,
} from "../domain/records.ts";

/** The columns of each table. docs/scale.md names the column by which each table can be partitioned. */
export interface Schema {
  customerLinks: { mode: Mode; customerId: string; ownerKind: OwnerKind; ownerId: string; linkedAt: number };
  lanes: { mode: Mode; lane: string; version: number };
  customers: Row<Omit<CustomerRecord, "owner">> & {
    /** `ownerKind` and `ownerId` are null if the customer's metadata names no owner. */
    ownerKind: OwnerKind | null;
    ownerId: string | null;
  };
  subscriptions: Row<Omit<SubscriptionRecord, "items">>;
  subscriptionItems: Row<SubscriptionItemRecord> & { subscriptionId: string };
  invoices: Row<InvoiceRecord>;
  refunds: Row<RefundRecord>;
  disputes: Row<DisputeRecord>;
  paymentMethods: Row<PaymentMethodRecord>;
  products: Row<ProductRecord>;
  prices: Row<Omit<PriceRecord, "interval">> & { billingInterval: BillingInterval | null };
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
    queue: QueueTable;
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
  operations: Row<OperationRecord> & { finishedAt: number | null };
  tasks: {
    mode: Mode;
    name: string;
    holder: string | null;
    leasedUntil: number;
    progress: string | null;
    finishedAt: number | null;
  };
  stripeAccounts: { mode: Mode; accountId: string; confirmedAt: number };
  /** The hooks that processes handle, with the time at which a process registered each hook last. */
  hookHandlers: { mode: Mode; hook: string; seenAt: number };
  replicas: { mode: Mode; id: string; seenAt: number; catalogue: string | null };
  catalogues: { mode: Mode; fingerprint: string; generation: number; plans: string; policy: string };
  knownPlans: { mode: Mode; id: string; plan: string };
  announcedAccess: { mode: Mode; ownerKind: OwnerKind; ownerId: string; features: string; checkAt: number | null };
}

/** The columns of a stored record: the mode, and the fields of the record. The columns store booleans as 0 or 1. */
type Row<Fields> = { mode: Mode } & {
  [Name in keyof Fields]: Fields[Name] extends boolean ? number : Fields[Name];
};

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
 * its lane and makes it `pending`. A row of the outbox is `unhandled` while no process handles its hook.
 */
export type QueueState = "new" | "pending" | "unhandled" | "done" | "dead";
