/** Finds the event or the webhook request that a test expects. */
import type { SentWebhook } from "../core/webhook-log.ts";
import type { Engine } from "../engine.ts";
import type { StripeEvent } from "../objects/event.ts";
import { differencesFrom } from "./differences.ts";

type EventObject = Record<string, unknown>;

/** Selects events by their `data.object`: fields that must be equal, at any depth, or a function that returns true. */
export type Where = Readonly<EventObject> | ((object: EventObject) => boolean);

export type ExpectedEvent = StripeEvent & { data: { object: EventObject } };
export type ExpectedWebhook = SentWebhook & { event: ExpectedEvent };

export interface Expectations {
  /**
   * Sends all due deliveries, then returns the oldest event of this type that matches `where` and that no earlier call
   * returned. A second call with the same arguments expects another event. The returned events are part of the state, so
   * that a snapshot or a fork continues with the same events. Rejects if there is no such event.
   */
  expectEvent(type: string, where?: Where): Promise<ExpectedEvent>;
  /**
   * Sends all due deliveries, then returns the oldest webhook request of this event type that matches `where` and that no
   * earlier call returned. Each attempt of a delivery is a webhook request. A fork, and an emulator with a restored state,
   * begin without webhook requests. Only the newest 1,000 are kept. Rejects if there is no such webhook request.
   */
  expectWebhook(type: string, where?: Where): Promise<ExpectedWebhook>;
}

export function createExpectations(engine: Engine): Expectations {
  const returned = new WeakSet<SentWebhook>();
  const deliverDue = async (): Promise<void> => {
    engine.catchUp();
    await engine.deliverDue();
  };
  return {
    async expectEvent(type, where = {}) {
      await deliverDue();
      const { state } = engine;
      const events = [...state.accounts.values()].flatMap(({ tables }) => [...tables.event.values()]);
      const isReturned = ({ id }: StripeEvent): boolean => state.returnedEvents.includes(id);
      const event = take({ noun: "event", all: events, eventOf: (one) => one, isReturned }, type, where);
      const kept = new Set(events.map(({ id }) => id));
      state.returnedEvents = [...state.returnedEvents.filter((id) => kept.has(id)), event.id];
      engine.changed();
      return structuredClone(event) as ExpectedEvent;
    },
    async expectWebhook(type, where = {}) {
      await deliverDue();
      const webhook = take(
        {
          noun: "webhook request",
          all: engine.webhooks,
          eventOf: ({ event }) => event,
          isReturned: (one) => returned.has(one),
        },
        type,
        where,
      );
      returned.add(webhook);
      return structuredClone(webhook) as ExpectedWebhook;
    },
  };
}

interface Source<T> {
  noun: string;
  all: readonly T[];
  eventOf: (one: T) => StripeEvent;
  isReturned: (one: T) => boolean;
}

/** Returns the oldest match. Throws an error that lists what differs. */
function take<T>(source: Source<T>, type: string, where: Where): T {
  const { all, eventOf, isReturned } = source;
  const ofType = all.filter((one) => eventOf(one).type === type);
  const found = ofType.find((one) => !isReturned(one) && mismatches(eventOf(one), where).length === 0);
  if (found) return found;
  throw new Error(ofType.length === 0 ? noneOfType(source, type) : noneMatches(source, type, { ofType, where }));
}

function mismatches({ data }: StripeEvent, where: Where): string[] {
  if (typeof where !== "function") return differencesFrom(where, data.object);
  return where(data.object as EventObject) ? [] : ["the function returned false"];
}

function noneOfType<T>({ noun, all, eventOf }: Source<T>, type: string): string {
  const types = [...new Set(all.map((one) => eventOf(one).type))].toSorted();
  const occurred = types.length === 0 ? `There is no ${noun} at all.` : `The types are: ${types.join(", ")}.`;
  return `Expected one ${noun} of the type ${type}. ${occurred}`;
}

/** The number of events that an error lists. */
const MAX_LISTED = 5;

function noneMatches<T>(
  { noun, eventOf, isReturned }: Source<T>,
  type: string,
  { ofType, where }: { ofType: readonly T[]; where: Where },
): string {
  const lines = ofType
    .map((one) => ({ one, differences: mismatches(eventOf(one), where) }))
    .toSorted((a, b) => a.differences.length - b.differences.length)
    .slice(0, MAX_LISTED)
    .map(({ one, differences }) => {
      const reason =
        differences.length === 0 && isReturned(one) ? "an earlier call returned it" : differences.join("; ");
      return `- ${eventOf(one).id}: ${reason}`;
    });
  return [`Expected another ${noun} of the type ${type}. Nearest of ${ofType.length}:`, ...lines].join("\n");
}
