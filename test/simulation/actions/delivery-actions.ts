/** Defines actions that disturb Stripe's webhook deliveries. */
import { FORGERIES } from "../deliveries.ts";
import type { Simulation } from "../simulation.ts";
import { DAY, HOUR } from "./action.ts";
import { list } from "./lists.ts";

/** Lists the delivery faults after which Stripe still delivers the event. */
const HARMLESS_FAULTS = [
  "lose_answer",
  "duplicate",
  "twice_at_once",
  "delay",
  "reorder",
  "wrong_signature",
  "stale_time",
];

export async function partition({ deliveries, setup }: Simulation): Promise<void> {
  deliveries.partitioned = setup.losesEvents;
}

export async function silence({ deliveries, setup }: Simulation): Promise<void> {
  deliveries.silent = setup.losesEvents;
}

export async function heal({ deliveries }: Simulation): Promise<void> {
  Object.assign(deliveries, { partitioned: false, silent: false });
}

export async function doubleEvents({ deliveries, scheduler }: Simulation): Promise<void> {
  deliveries.echoes += 1 + scheduler.random.below(5);
}

export async function deliveryFault({ control, scheduler, setup }: Simulation): Promise<void> {
  const { random } = scheduler;
  await control("faults/deliveries", {
    effect: random.pick(setup.losesEvents ? [...HARMLESS_FAULTS, "drop"] : HARMLESS_FAULTS),
    times: 1 + random.below(4),
    skip: random.below(3),
    seconds: random.pick([30, HOUR, DAY]),
  });
}

/** Delivers a real event with a wrong signature, an old timestamp, the wrong Stripe account or the wrong mode. */
export async function forgedEvent(simulation: Simulation): Promise<void> {
  const { random } = simulation.scheduler;
  const events = await list(simulation, "/v1/events");
  if (events.length === 0) return;
  const event = random.pick(events);
  const { object } = event["data"] as { object: Record<string, unknown> };
  const elsewhere = random.happens(0.5) && {
    data: { object: { ...object, id: `${String(object["id"])}_elsewhere` } },
  };
  await simulation.deliveries.forge(random.pick(FORGERIES), { ...event, ...elsewhere });
}
