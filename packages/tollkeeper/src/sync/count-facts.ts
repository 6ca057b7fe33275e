/** Counts payments and changes of access, after the transaction that recorded them has committed. */
import type { HookName } from "../domain/hooks.ts";
import type { Metrics } from "../metrics.ts";

/** A fact that was recorded: the hook that reports it, and for a failed payment the reason. */
export interface RecordedFact {
  hook: HookName;
  reason?: string | undefined;
}

/** Metric and labels of each hook that reports a payment or a change of access. */
const COUNTED: Partial<
  Record<
    HookName,
    ["payments_total", "paid" | "failed" | "action_required"] | ["access_changes_total", "granted" | "revoked"]
  >
> = {
  onPaymentSucceeded: ["payments_total", "paid"],
  onPaymentFailed: ["payments_total", "failed"],
  onPaymentActionRequired: ["payments_total", "action_required"],
  onAccessGranted: ["access_changes_total", "granted"],
  onAccessRevoked: ["access_changes_total", "revoked"],
};

/**
 * Counts each fact once. The caller passes the facts of one transaction after its commit, so that a rolled back or repeated
 * transaction counts nothing twice.
 */
export function countFacts(metrics: Metrics, facts: readonly RecordedFact[]): void {
  for (const { hook, reason = "none" } of facts) {
    const [name, value] = COUNTED[hook] ?? [];
    if (name === "payments_total") metrics.count(name, { outcome: value ?? "", reason });
    else if (name !== undefined) metrics.count(name, { change: value ?? "" });
  }
}
