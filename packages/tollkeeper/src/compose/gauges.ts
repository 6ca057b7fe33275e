/** Reads the current values that `/metrics` shows about the queues and the request budget. */
import type { Gauge } from "../metrics.ts";
import { isSweepStopped } from "../reconcile/stop-mass-end.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { SubscriptionGauge } from "./subscription-gauge.ts";
import type { RateBudget } from "../stripe/limits/request-budget.ts";

export interface GaugeSources {
  store: Store;
  budget: RateBudget;
  runtime: Runtime;
  subscriptions: SubscriptionGauge;
}

export async function readGauges({ store, budget, runtime, subscriptions }: GaugeSources): Promise<Gauge[]> {
  const { perSecond, inFlight, waiting } = budget.state();
  const withSeveral = await store.customers.countOwnersWithSeveral();
  const { subscriptions: live, ownersWithSeveral } = await subscriptions.read();
  const unhandled = [...(await store.outbox.countUnhandled())];
  const queues = await Promise.all((["inbox", "outbox"] as const).map((name) => queueGauges(store, name, runtime)));
  return [
    ...queues.flat(),
    live,
    {
      name: "customers_with_alarms",
      help: "Owners whose customers at Stripe need an operator, by kind of alarm",
      values: [
        { labels: { kind: "two_customers" }, value: withSeveral },
        { labels: { kind: "two_subscriptions" }, value: ownersWithSeveral },
      ],
    },
    {
      name: "sweep_stopped",
      help: "1 if the last sweep stopped because it would end too many subscriptions",
      values: [{ value: Number(await isSweepStopped(store)) }],
    },
    {
      name: "outbox_unhandled_rows",
      help: "Rows of the outbox whose hook no process handles, by hook",
      values: unhandled.map(([hook, value]) => ({ labels: { hook }, value })),
    },
    { name: "stripe_budget_per_second", help: "Requests per second of this replica", values: [{ value: perSecond }] },
    { name: "stripe_in_flight", help: "Requests to Stripe in flight", values: [{ value: inFlight }] },
    {
      name: "stripe_waiting",
      help: "Requests that wait for the request budget, by urgency",
      values: Object.entries(waiting).map(([urgency, value]) => ({ labels: { urgency }, value })),
    },
  ];
}

async function queueGauges(store: Store, name: "inbox" | "outbox", runtime: Runtime): Promise<Gauge[]> {
  const [counts, oldestAt] = await Promise.all([store[name].countUnfinished(), store[name].findOldestPending()]);
  const age = oldestAt === null ? 0 : Math.max(0, runtime.now() - oldestAt) / 1_000;
  return [
    {
      name: `${name}_rows`,
      help: `Rows of the ${name} that are not done, by state`,
      values: Object.entries(counts).map(([state, value]) => ({ labels: { state }, value })),
    },
    { name: `${name}_oldest_seconds`, help: `Age of the oldest pending row of the ${name}`, values: [{ value: age }] },
  ];
}
