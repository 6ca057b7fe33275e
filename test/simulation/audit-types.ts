/** Defines the types that the parts of the auditor share. */
import type { Emulator } from "../../packages/emulator/src/index.ts";

/** A call of a method of the store. */
export interface Write {
  /** The part of the store and the method's name, for example "inbox.complete". */
  method: string;
  args: unknown[];
  result: unknown;
}

export interface HookEvent {
  id: string;
  owner: { kind: "user" | "organization"; id: string };
  features?: readonly string[];
  invoiceId?: string;
}

/** The properties of a plan that the auditor needs. */
export interface AuditedPlan {
  id: string;
  group: string;
  features: readonly string[];
}

/** Records a violation of a rule. The text starts with the rule's number, like "I4: ". */
export type Violate = (text: string) => void;

export type Tables = NonNullable<ReturnType<ReturnType<Emulator["snapshot"]>["accounts"]["get"]>>["tables"];
export type StripeSubscription = Tables["subscription"] extends Map<string, infer Row> ? Row : never;
export type StripeInvoice = Tables["invoice"] extends Map<string, infer Row> ? Row : never;

export const DAY_MS = 86_400_000;
/** The service does not delete done rows before this time has passed. */
export const KEPT_MS = 25 * DAY_MS;
/** Work that became due less than this time ago may still be pending. */
export const PENDING_MS = 900_000;
