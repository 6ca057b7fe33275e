/** Reads the numbers about live subscriptions for `/metrics`: by plan and status, and owners who pay several times. */
import { findSeveralLive } from "../domain/checkout.ts";
import { planOfPrice, type Plans } from "../domain/plans.ts";
import type { Gauge } from "../metrics.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";

/** Milliseconds for which the numbers are kept, because the queries read all live subscriptions. */
const MAX_AGE_MS = 30_000;
/** The plan of subscriptions that belong to no plan in code. */
const NO_PLAN = "other";
/** Maximum number of owners whose subscriptions are compared with the plan groups. */
const MAX_OWNERS = 1_000;

interface SubscriptionNumbers {
  /** The live subscriptions by plan and status. */
  subscriptions: Gauge;
  /** Number of owners with several live subscriptions in one plan group. */
  ownersWithSeveral: number;
}

export interface SubscriptionGauge {
  read(): Promise<SubscriptionNumbers>;
}

/** Creates the gauge. Concurrent reads share the queries. */
export function createSubscriptionGauge(
  store: Pick<Store, "subscriptions">,
  plans: Plans,
  { now }: Pick<Runtime, "now">,
): SubscriptionGauge {
  let counted: { at: number; numbers: Promise<SubscriptionNumbers> } | null = null;
  return {
    read() {
      const isFresh = counted !== null && Math.abs(now() - counted.at) < MAX_AGE_MS;
      if (counted === null || !isFresh) counted = { at: now(), numbers: readNumbers(store, plans) };
      const current = counted;
      current.numbers.catch(() => {
        if (counted === current) counted = null;
      });
      return current.numbers;
    },
  };
}

async function readNumbers(store: Pick<Store, "subscriptions">, plans: Plans): Promise<SubscriptionNumbers> {
  return {
    subscriptions: await countSubscriptions(store, plans),
    ownersWithSeveral: await countOwnersWithSeveral(store, plans),
  };
}

async function countOwnersWithSeveral({ subscriptions }: Pick<Store, "subscriptions">, plans: Plans): Promise<number> {
  const owners = await subscriptions.listOwnersWithSeveralLive(MAX_OWNERS);
  const states = await subscriptions.listOfOwners(owners);
  return [...states.values()].filter((ofOwner) => findSeveralLive(ofOwner, plans).length > 0).length;
}

async function countSubscriptions({ subscriptions }: Pick<Store, "subscriptions">, plans: Plans): Promise<Gauge> {
  const counts = new Map<string, { plan: string; status: string; value: number }>();
  for (const { status, count, lookupKey, ...product } of await subscriptions.countLiveByPrice()) {
    const plan = planOfPrice(plans, { lookupKey }, product)?.id ?? NO_PLAN;
    const key = `${plan} ${status}`;
    counts.set(key, { plan, status, value: (counts.get(key)?.value ?? 0) + count });
  }
  return {
    name: "subscriptions",
    help: "Live subscriptions by plan and status",
    values: [...counts.values()].map(({ plan, status, value }) => ({ labels: { plan, status }, value })),
  };
}
