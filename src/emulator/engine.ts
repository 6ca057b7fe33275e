/** Makes time pass: does what is due, in order, and carries events to their endpoints. */
import { expireCheckout } from "./billing/checkout.ts";
import { collect, end, expireIncomplete, renew, retryCollection } from "./billing/subscriptions.ts";
import { subscriptionOf } from "./billing/invoices.ts";
import { deliver, emit, type DeliveryNetwork } from "./core/events.ts";
import { nextTimer, removeTimer, type Timer, type TimerKind } from "./core/timers.ts";
import { find, type World } from "./core/world.ts";

export interface EngineOptions {
  world: World;
  network: DeliveryNetwork;
  /** Whether virtual time goes on by itself, or moves only by `advance`. */
  clock: "running" | "still";
  /** Called after every change, before anybody is told of it. */
  onChange: () => void;
}

export interface Engine {
  world: World;
  now(): number;
  /** Does what has become due by itself since the last look. */
  catchUp(): void;
  /** Moves time on, doing all due work step by step, deliveries included. */
  advance(seconds: number): Promise<number>;
  /** Delivers what is due now. */
  deliverDue(): Promise<void>;
  changed(): void;
}

const DELIVERIES_AT_ONCE = 16;

export function createEngine({ world, network, clock, onChange }: EngineOptions): Engine {
  const wallSeconds = () => Math.floor(network.wallNow() / 1000);
  let delivering: Promise<void> | null = null;
  let advancing: Promise<unknown> = Promise.resolve();

  const catchUp = (): void => {
    if (clock === "still") return;
    const target = wallSeconds() + world.state.aheadSeconds;
    for (let timer = nextTimer(world, target, "billing"); timer; timer = nextTimer(world, target, "billing"))
      runTimer(world, timer, onChange);
    world.state.now = Math.max(world.state.now, target);
  };

  const deliverAll = async (): Promise<void> => {
    for (;;) {
      const batch = takeDeliveries(world);
      if (batch.length === 0) return;
      await Promise.all(batch.map((id) => deliver(world, network, id)));
      onChange();
    }
  };

  const deliverDue = async (): Promise<void> => {
    delivering ??= deliverAll().finally(() => {
      delivering = null;
    });
    await delivering;
  };

  const advance = async (seconds: number): Promise<number> => {
    catchUp();
    const target = world.state.now + seconds;
    await deliverDue();
    for (;;) {
      const billing = nextTimer(world, target, "billing");
      const delivery = nextTimer(world, target, "deliveries");
      if (!billing && !delivery) break;
      if (delivery && (!billing || delivery.at <= billing.at)) {
        moveTo(world, delivery.at);
        await deliverDue();
      } else if (billing) runTimer(world, billing, onChange);
    }
    moveTo(world, target);
    if (clock === "running") world.state.aheadSeconds = target - wallSeconds();
    onChange();
    return world.state.now;
  };

  return {
    world,
    now() {
      catchUp();
      return world.state.now;
    },
    catchUp,
    deliverDue,
    changed: onChange,
    advance(seconds) {
      const mine = advancing.then(() => advance(seconds));
      advancing = mine.catch(() => {});
      return mine;
    },
  };
}

function takeDeliveries(world: World): string[] {
  const ids: string[] = [];
  while (ids.length < DELIVERIES_AT_ONCE) {
    const timer = nextTimer(world, world.state.now, "deliveries");
    if (!timer) break;
    removeTimer(world, timer);
    ids.push(timer.id);
  }
  return ids;
}

function moveTo(world: World, at: number): void {
  world.state.now = Math.max(world.state.now, at);
}

function runTimer(world: World, timer: Timer, onChange: () => void): void {
  removeTimer(world, timer);
  moveTo(world, timer.at);
  world.request = { id: null, idempotencyKey: null };
  EFFECTS[timer.kind](world, timer.id);
  onChange();
}

const EFFECTS: Record<TimerKind, (world: World, id: string) => void> = {
  session_expires: (world, id) => withRow(world, "checkout.session", id, (session) => expireCheckout(world, session)),
  period_ends: (world, id) => withRow(world, "subscription", id, (subscription) => renew(world, subscription)),
  cancels: (world, id) =>
    withRow(world, "subscription", id, (subscription) => end(world, subscription, "cancellation_requested")),
  trial_will_end: (world, id) =>
    withRow(world, "subscription", id, (subscription) => {
      if (subscription.status === "trialing") emit(world, "customer.subscription.trial_will_end", subscription);
    }),
  incomplete_expires: (world, id) =>
    withRow(world, "subscription", id, (subscription) => expireIncomplete(world, subscription)),
  invoice_finalizes: (world, id) =>
    withRow(world, "invoice", id, (invoice) => {
      const subscription = subscriptionOf(world, invoice);
      if (subscription) collect(world, invoice, subscription);
    }),
  invoice_retries: (world, id) =>
    withRow(world, "invoice", id, (invoice) => {
      const subscription = subscriptionOf(world, invoice);
      if (subscription) retryCollection(world, invoice, subscription);
    }),
  delivery: () => {},
};

function withRow<Name extends "checkout.session" | "subscription" | "invoice">(
  world: World,
  table: Name,
  id: string,
  act: (row: NonNullable<ReturnType<typeof find<Name>>>) => void,
): void {
  const row = find(world, table, id);
  if (row) act(row);
}
