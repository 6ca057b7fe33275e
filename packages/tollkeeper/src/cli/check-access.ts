/** The check of `tollkeeper plans check` that compares the access of all owners with the plans in code. */
import { completePolicy, decideEntitlements, type AccessPolicy } from "../domain/access.ts";
import { findPaidRemovedPlans, withRemovedPlans } from "../domain/catalogue.ts";
import { ownerKey, type BillingOwner } from "../domain/owner.ts";
import { withApp, type Plans } from "../domain/plans.ts";
import { modeOf } from "../config/relations.ts";
import { resolveOptions } from "../config/resolve-config.ts";
import type { TollkeeperOptions } from "../options.ts";
import type { Store } from "../store/store.ts";
import type { CheckResult } from "./exit-codes.ts";
import { openCommandStore, withMigratedStore } from "./open-command-store.ts";

/** Maximum number of owners that the check lists. */
const MAX_SHOWN = 50;
const BATCH = 200;

/**
 * Compares the access that hooks announced last with the access that the plans and the policy in code give. Fails if a plan was
 * removed that users pay for. Compares nothing if `DATABASE_URL` is not set. Throws `ConfigError` if its SQLite file does not
 * exist or lacks a migration.
 */
export async function checkAccess(options: TollkeeperOptions): Promise<CheckResult> {
  if (options.databaseUrl === undefined)
    return { lines: ["Access was not compared, because DATABASE_URL is not set."], outcome: "done" };
  const resolved = resolveOptions(options, ["plans", "app", "access", "stripeSecretKey"]);
  const plans = withApp(resolved.plans, resolved.app);
  const policy = completePolicy(resolved.access);
  const opened = openCommandStore(options, { mode: modeOf(resolved.stripeSecretKey), readOnly: true });
  return withMigratedStore(opened, async (store) => {
    const known = await store.catalogues.listKnownPlans();
    const removed = findPaidRemovedPlans(plans, known, await store.subscriptions.countLiveByPrice());
    const changes = await findAccessChanges(store, withRemovedPlans(plans, known), policy);
    const lines = [...removed.map(describeRemoved), ...describeChanges(changes)];
    if (removed.length > 0) return { lines, outcome: "failed" };
    return { lines, outcome: changes.count > 0 ? "differences" : "done" };
  });
}

interface AccessChanges {
  count: number;
  gained: Map<string, number>;
  lost: Map<string, number>;
  /** The first changed owners, one line each. */
  shown: string[];
}

async function findAccessChanges(store: Store, plans: Plans, policy: AccessPolicy): Promise<AccessChanges> {
  const changes: AccessChanges = { count: 0, gained: new Map(), lost: new Map(), shown: [] };
  const now = Date.now();
  for (let after: BillingOwner | null = null; ;) {
    const owners: BillingOwner[] = await store.catalogues.listOwners(after, BATCH);
    const announced = await store.announcedAccess.find(owners);
    const states = await store.subscriptions.listOfOwners(owners);
    for (const owner of owners) {
      const key = ownerKey(owner);
      const before = announced.get(key)?.features ?? [];
      const features = decideEntitlements(states.get(key) ?? [], plans, policy, now).map(({ feature }) => feature);
      addChange(changes, owner, {
        gained: features.filter((feature) => !before.includes(feature)),
        lost: before.filter((feature) => !features.includes(feature)),
      });
    }
    after = owners.at(-1) ?? null;
    if (owners.length < BATCH) return changes;
  }
}

function addChange(
  changes: AccessChanges,
  { kind, id }: BillingOwner,
  { gained, lost }: { gained: string[]; lost: string[] },
): void {
  if (gained.length === 0 && lost.length === 0) return;
  changes.count += 1;
  for (const feature of gained) changes.gained.set(feature, (changes.gained.get(feature) ?? 0) + 1);
  for (const feature of lost) changes.lost.set(feature, (changes.lost.get(feature) ?? 0) + 1);
  const signs = [...gained.map((feature) => `+${feature}`), ...lost.map((feature) => `-${feature}`)];
  if (changes.shown.length < MAX_SHOWN) changes.shown.push(`  ${kind} ${id}: ${signs.join(" ")}`);
}

function describeRemoved({ plan, subscriptions }: { plan: string; subscriptions: number }): string {
  return (
    `! Plan ${plan} is not in code, and ${subscriptions} live subscriptions pay for it. Define it with retired: true, ` +
    `or cancel its subscriptions first.`
  );
}

function describeChanges({ count, gained, lost, shown }: AccessChanges): string[] {
  if (count === 0) return ["The plans in code give all users the access that hooks reported last."];
  return [
    `The plans in code change the access of ${count} ${count === 1 ? "owner" : "owners"}:`,
    ...describeTotals("gain", gained),
    ...describeTotals("lose", lost),
    ...shown,
    ...(count > shown.length ? [`  and ${count - shown.length} more`] : []),
  ];
}

function describeTotals(verb: string, features: ReadonlyMap<string, number>): string[] {
  return [...features].map(
    ([feature, owners]) => `${owners} ${owners === 1 ? "owner" : "owners"} would ${verb} ${feature}`,
  );
}
