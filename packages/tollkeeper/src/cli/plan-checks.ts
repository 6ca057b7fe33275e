/** Defines the checks of `tollkeeper plans check`. A check only reads. */
import { planChanges } from "../actions/push-plans.ts";
import { modeOf } from "../config/relations.ts";
import { resolveOptions, userIdKeyOf } from "../config/resolve-config.ts";
import { describeChange, type ProductChange } from "../domain/product-changes.ts";
import { withApp } from "../domain/plans.ts";
import type { TollkeeperOptions } from "../options.ts";
import { createStripeGateway, type StripeGateway } from "../stripe/gateway/gateway.ts";
import { VERSION } from "../version.ts";
import { checkAccess } from "./check-access.ts";
import type { CheckResult, Outcome } from "./exit-codes.ts";

export type PlanCheck = (options: TollkeeperOptions) => Promise<CheckResult>;

/** All checks, in the order in which they run. Each check asks only for the options that it uses. */
export const PLAN_CHECKS: readonly PlanCheck[] = [checkStripe, checkAccess];

/** Outcomes from the best to the worst. */
const BY_SEVERITY: readonly Outcome[] = ["done", "differences", "failed"];

/** Returns the worst of the outcomes: a failed check is worse than a difference. */
export function worstOutcome(outcomes: readonly Outcome[]): Outcome {
  return BY_SEVERITY.findLast((outcome) => outcomes.includes(outcome)) ?? "done";
}

/** Fails if Stripe's products and prices differ from the plans. */
async function checkStripe(options: TollkeeperOptions): Promise<CheckResult> {
  const { changes, lines } = await compareWithStripe(options);
  if (changes.length === 0) return { lines, outcome: "done" };
  return {
    lines: [...lines, "Run npx tollkeeper plans push to make these changes at Stripe."],
    outcome: "differences",
  };
}

export interface StripeComparison {
  gateway: StripeGateway;
  changes: ProductChange[];
  /** Describes the comparison, one line per change. */
  lines: string[];
}

/** Compares Stripe's products and prices with the plans. Throws `UnavailableError` if Stripe is unavailable. */
export async function compareWithStripe(options: TollkeeperOptions): Promise<StripeComparison> {
  const resolved = resolveOptions(options, [
    "plans",
    "app",
    "stripeSecretKey",
    "stripeApiBase",
    "stripeNetworkRetries",
    "userIdMetadataKey",
  ]);
  const { stripeSecretKey, stripeApiBase, stripeNetworkRetries } = resolved;
  const mode = modeOf(stripeSecretKey);
  const gateway = createStripeGateway({
    secretKey: stripeSecretKey,
    apiBase: stripeApiBase,
    networkRetries: stripeNetworkRetries,
    mode,
    userIdKey: userIdKeyOf(resolved),
    version: VERSION,
    now: Date.now,
  });
  const changes = await planChanges(gateway, withApp(resolved.plans, resolved.app));
  const lines =
    changes.length === 0
      ? [`Stripe (${mode}) has all plans as they are in code.`]
      : [`Stripe (${mode}) differs from the plans in code:`, ...changes.map(describeChange)];
  return { gateway, changes, lines };
}
