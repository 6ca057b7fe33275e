/** Defines the types that all parts of the simulation's auditor use. */
import type { Emulator } from "../../packages/emulator/src/index.ts";

/** One recorded call of a method of the store. */
export interface Write {
  /** Names the part of the store and the method that was called, for example "inbox.complete". */
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

/** Contains the properties of a plan that the auditor needs. */
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
/** The minimum time for which the service keeps the row of finished work. */
export const KEPT_MS = 25 * DAY_MS;
/** The maximum time that due work may stay pending. */
export const PENDING_MS = 900_000;
