/** Disturbs the delivery of webhooks. */
import type { Interceptor } from "./harness/harness.ts";
import type { TestEmulator } from "./harness/emulator.ts";
import { postControl } from "./control.ts";
import type { KitState } from "./kit-state.ts";
import { reconcileEveryMs, type TestClock } from "./test-clock.ts";
import type { Timeline } from "./timeline.ts";

export interface WebhookMatch {
  /** Only events of this type, such as `invoice.paid`. Default: all events. */
  type?: string;
  /** The number of webhooks, at least 1. Default: all webhooks until `restore` is called. */
  times?: number;
}

/** Disturbs the delivery of webhooks until `restore` is called. Rules that were added first apply first. */
export interface TestWebhooks {
  /**
   * Loses webhooks: Stripe sees a 2xx response, and the service receives nothing. The service finds the missed events when it
   * looks for them, by default within an hour: `advance({ hours: 1 })`.
   */
  lose(match?: WebhookMatch): void;
  /** Delivers each webhook twice. */
  duplicate(match?: WebhookMatch): void;
  /** Keeps new webhooks until `release` is called. */
  hold(): Promise<void>;
  /** Delivers the held webhooks, the newest first if `reversed` is true. */
  release(options?: { reversed?: boolean }): Promise<void>;
  /** Ends all disturbances, and delivers held webhooks. */
  restore(): Promise<void>;
}

interface Rule {
  effect: "lose" | "duplicate";
  type: string | undefined;
  left: number;
}

const EFFECTS: Readonly<Record<Rule["effect"], string>> = { lose: "lost", duplicate: "delivered twice" };

export interface TestWebhooksOptions {
  emulator: Pick<TestEmulator, "fetch" | "now">;
  clock: Pick<TestClock, "settle">;
  timeline: Pick<Timeline, "add" | "addFault">;
  state: KitState;
}

/** The part of a webhook's body that the disturbances need. */
interface StripeEventBody {
  id: string;
  type: string;
}

export function createTestWebhooks(options: TestWebhooksOptions): { webhooks: TestWebhooks; deliver: Interceptor } {
  const { emulator, clock, timeline, state } = options;
  let rules: Rule[] = [];
  const add = (effect: Rule["effect"], match: WebhookMatch = {}): void => {
    checkMatch(match);
    const { type, times = Infinity } = match;
    timeline.add(null, "test", `the next webhooks${type === undefined ? "" : ` ${type}`} are ${EFFECTS[effect]}`);
    rules.push({ effect, type, left: times });
  };
  const takeRule = ({ type }: StripeEventBody): Rule | undefined => {
    const rule = rules.find((candidate) => candidate.type === undefined || candidate.type === type);
    if (rule) rule.left -= 1;
    rules = rules.filter(({ left }) => left > 0);
    return rule;
  };
  const setHeld = (held: boolean): Promise<unknown> => postControl(emulator, "deliveries/order", { held });
  const webhooks: TestWebhooks = {
    lose: (match) => add("lose", match),
    duplicate: (match) => add("duplicate", match),
    async hold() {
      timeline.add(null, "test", "webhooks are held");
      state.isHeld = true;
      await setHeld(true);
    },
    async release({ reversed = false } = {}) {
      if (state.isHeld)
        timeline.add(null, "test", `held webhooks are delivered${reversed ? ", the newest first" : ""}`);
      if (reversed) await postControl(emulator, "faults/deliveries", { effect: "reorder" });
      state.isHeld = false;
      await setHeld(false);
      await clock.settle();
    },
    async restore() {
      if (rules.length > 0) timeline.add(null, "test", "no more webhooks are lost or delivered twice");
      rules = [];
      await webhooks.release();
    },
  };
  const deliver: Interceptor = async (request, next) => {
    const event = await eventOf(request.clone());
    const rule = takeRule(event);
    if (!rule) return next(request);
    timeline.addFault(event.id, `webhook ${EFFECTS[rule.effect]}: ${event.type}`);
    if (rule.effect === "lose") {
      state.reconcileAt ??= emulator.now() + reconcileEveryMs(state);
      return new Response(null, { status: 200 });
    }
    await next(request.clone());
    return next(request);
  };
  return { webhooks, deliver };
}

const MATCH_KEYS = ["type", "times"];

/** Throws `TypeError` if a rule could never apply as it was meant. */
function checkMatch(match: WebhookMatch): void {
  const unknown =
    typeof match === "object" ? Object.keys(match).find((key) => !MATCH_KEYS.includes(key)) : String(match);
  if (unknown !== undefined) throw new TypeError(`"${unknown}" is no option. Use { type: "invoice.paid", times: 1 }.`);
  const { type, times = Infinity } = match;
  if (type !== undefined && !/^[a-z_0-9]+(\.[a-z_0-9]+)+$/.test(type))
    throw new TypeError(`"${type}" is no event type. Use a type such as invoice.paid.`);
  if (times !== Infinity && !(Number.isSafeInteger(times) && times >= 1))
    throw new TypeError(`times is ${times}. Use a whole number of at least 1.`);
}

/** Returns the event of a webhook. A thin notification names the type with the prefix "v1.". */
async function eventOf(request: Request): Promise<StripeEventBody> {
  const { id, type } = (await request.json()) as StripeEventBody;
  return { id, type: type.replace(/^v1\./, "") };
}
