/** Reads the number of live subscriptions by plan and status, for `/metrics`. */
import { planOfPrice, type Plans } from "../domain/plans.ts";
import type { Gauge } from "../metrics.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";

/** Milliseconds for which the counted subscriptions are kept, because the query reads all live subscriptions. */
const MAX_AGE_MS = 30_000;
/** The plan of subscriptions that belong to no plan in code. */
const NO_PLAN = "other";

export interface SubscriptionGauge {
  read(): Promise<Gauge>;
}

/** Creates the gauge. Concurrent reads share one query. */
export function createSubscriptionGauge(
  store: Pick<Store, "subscriptions">,
  plans: Plans,
  { now }: Pick<Runtime, "now">,
): SubscriptionGauge {
  let counted: { at: number; gauge: Promise<Gauge> } | null = null;
  return {
    read() {
      const isFresh = counted !== null && Math.abs(now() - counted.at) < MAX_AGE_MS;
      if (counted === null || !isFresh) counted = { at: now(), gauge: countSubscriptions(store, plans) };
      const current = counted;
      current.gauge.catch(() => {
        if (counted === current) counted = null;
      });
      return current.gauge;
    },
  };
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
