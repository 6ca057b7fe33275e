/** Records what happened in a test, and writes it as text. */
import { describeError } from "../domain/log-text.ts";
import { formatAmount } from "./amount-text.ts";
import type { TestEmulator, TestEvent } from "./harness/emulator.ts";
import type { HookRun } from "./recorded-hooks.ts";

/** The kind of an entry: what the test did, what Stripe reported, which hooks ran, and what failed. */
type EntryKind = "test" | "request" | "stripe" | "hook" | "fault";

/** The fields of Stripe's objects that the timeline reads. */
interface EventObject extends Record<string, unknown> {
  object: string;
  id: string;
  customer?: unknown;
  charge?: unknown;
  metadata?: Record<string, string>;
}

interface Entry {
  at: number;
  /** The id of the user; null if the entry is about all users. */
  user: string | null;
  kind: EntryKind;
  text: string;
}

export interface Timeline {
  add(user: string | null, kind: EntryKind, text: string): void;
  addHook(run: HookRun): void;
  /** Adds a text about the delivery of an event, if the event is shown. */
  addFault(eventId: string, text: string): void;
  /**
   * Adds Stripe's events that the timeline does not contain yet, and returns their number. Stripe forgets events after 30 days.
   */
  update(): number;
  /** Returns what happened to one user, or to all users, one line per entry. */
  textOf(user?: string): string;
}

/** Events that say nothing that another event does not say better. */
const QUIET =
  /^(payment_intent|setup_intent|payment_method|charge\.(succeeded|failed|updated|refund|refunded|dispute\.funds_\w+)\b|invoice\.(updated|payment_succeeded|created|finalized|upcoming)|invoice_payment|invoiceitem|customer\.(updated|created)|product|price|plan|billing_portal)/;

export function createTimeline(
  { now, events }: Pick<TestEmulator, "now" | "events">,
  userIdKey: () => string,
): Timeline {
  const entries: Entry[] = [];
  const seen = new Set<string>();
  /** Maps each Stripe customer, and each charge of a customer, to the user of the customer's metadata. */
  const owners = new Map<string, string>();

  const ownerOf = (event: TestEvent): string | null => {
    const { object, id, customer, charge, metadata } = event.data.object as EventObject;
    const userId = object === "customer" ? metadata?.[userIdKey()] : undefined;
    if (userId !== undefined) owners.set(id, userId);
    // Refunds and disputes name no customer, but the charge that they return.
    const related = [id, customer, charge].find((one): one is string => typeof one === "string" && owners.has(one));
    const owner = (related !== undefined && owners.get(related)) || null;
    if (object === "charge" && owner !== null) owners.set(id, owner);
    return owner;
  };
  const add: Timeline["add"] = (user, kind, text) => void entries.push({ at: now(), user, kind, text });
  const update = (): number => {
    const fresh = events().filter(({ id }) => !seen.has(id));
    for (const event of fresh) {
      seen.add(event.id);
      const user = ownerOf(event);
      if (user === null || QUIET.test(event.type)) continue;
      entries.push({ at: event.created * 1_000, user, kind: "stripe", text: eventText(event) });
    }
    return fresh.length;
  };
  return {
    add,
    update,
    addFault(eventId, text) {
      update();
      const event = events().find(({ id }) => id === eventId);
      const user = event && ownerOf(event);
      if (event && user && !QUIET.test(event.type)) add(user, "fault", text);
    },
    addHook({ hook, event, at, error }) {
      // The event that caused the hook comes first.
      update();
      const failed = error === undefined ? "" : `, which threw: ${describeError(error)}`;
      entries.push({
        at: at.getTime(),
        user: event.owner.id,
        kind: "hook",
        text: `${hook} ${hookText(event)}${failed}`,
      });
    },
    textOf(user) {
      const shown = entries.filter((entry) => user === undefined || entry.user === null || entry.user === user);
      const name = user === undefined ? "all users" : user;
      if (shown.length === 0) return `Nothing happened to ${name}.`;
      return [`What happened to ${name}, in UTC:`, ...lines(shown, user === undefined)].join("\n");
    },
  };
}

/** Returns one line per entry, and one line per day. */
function lines(entries: readonly Entry[], namesUsers: boolean): string[] {
  let lastDay = "";
  // Hooks and events are recorded after they happened, so the entries are sorted by time. Entries of one time keep their order.
  return entries
    .toSorted((one, other) => one.at - other.at)
    .flatMap(({ at, user, kind, text }) => {
      const [day = "", time = ""] = new Date(at).toISOString().split("T");
      const heading = day === lastDay ? [] : [day];
      lastDay = day;
      const about = namesUsers && user !== null ? `${user}: ` : "";
      return [...heading, `  ${time.slice(0, 8)}  ${kind.padEnd(KIND_WIDTH)}${about}${text}`];
    });
}

const KIND_WIDTH = 9;

function hookText(event: HookRun["event"]): string {
  if ("features" in event) return event.features.join(", ");
  if ("trialEnd" in event) return `until ${new Date(event.trialEnd).toISOString().slice(0, 10)}`;
  const amount = formatAmount(event.amount, event.currency, event.fractionDigits);
  if ("outcome" in event) return `${amount}, ${event.outcome}`;
  return event.message === null ? amount : `${amount}: ${event.message}`;
}

function eventText({ type, data }: TestEvent): string {
  const object = data.object as EventObject;
  return [type, object.id, statusOf(object)].filter(Boolean).join(" ");
}

/** Returns the fields of an object that explain the event. */
function statusOf(object: EventObject): string {
  const status = typeof object["status"] === "string" ? object["status"] : "";
  const ends = typeof object["cancel_at"] === "number" ? `, ends ${dayOf(object["cancel_at"])}` : "";
  const total = object["total"] ?? object["amount_total"] ?? object["amount"];
  const currency = object["currency"];
  const money = typeof total === "number" && typeof currency === "string" ? `, ${formatAmount(total, currency)}` : "";
  return `${status}${object.object === "subscription" ? ends : money}`;
}

function dayOf(seconds: number): string {
  return new Date(seconds * 1_000).toISOString().slice(0, 10);
}
