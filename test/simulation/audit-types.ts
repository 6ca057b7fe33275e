/** Defines the types that all parts of the simulation's auditor use. */
import type { Emulator } from "../../packages/emulator/src/index.ts";

/** One recorded call of a method of the store. */
export interface Write {
  /** The name of the called method with its part of the store, for example "inbox.complete". */
  method: string;
  args: unknown[];
  result: unknown;
}

export interface HookEvent {
  id: string;
  owner: { kind: "user" | "organization"; id: string };
  features?: readonly string[];
  invoiceId?: string | null;
  refundId?: string;
  disputeId?: string;
  /** The outcome of a refund or dispute. */
  outcome?: string;
}

/** Contains the properties of a plan that the auditor needs. */
export interface AuditedPlan {
  id: string;
  group: string;
  features: readonly string[];
}

/** Records a violation of a rule. The text of a violation starts with the number of the violated rule, like "I4: ". */
export type Violate = (text: string) => void;

export type Tables = NonNullable<ReturnType<ReturnType<Emulator["snapshot"]>["accounts"]["get"]>>["tables"];
export type StripeSubscription = Tables["subscription"] extends Map<string, infer Row> ? Row : never;
export type StripeInvoice = Tables["invoice"] extends Map<string, infer Row> ? Row : never;

export const DAY_MS = 86_400_000;
/** The minimum time for which the service keeps the database row of a processed event or hook. */
export const KEPT_MS = 25 * DAY_MS;
/** The maximum time for which an event or hook may stay pending after it is due. */
export const PENDING_MS = 900_000;
