/** People who buy, cancel and come back while the service dies under them, and a dashboard where their subscriptions change. */
import type { Emulator } from "../../packages/emulator/src/index.ts";
import type { Chance } from "../simulation/chance.ts";

export interface People {
  /** Lets so many come a second. */
  start(perSecond: number): void;
  /** Once nobody is killed any more: lets no more come, and waits until all have got what they came for. */
  finish(): Promise<void>;
  /** How many have come. */
  count(): number;
  /** What somebody did not get in any number of tries. */
  problems: string[];
  ask(user: string, method: "GET" | "POST", path: string, body?: object): Promise<Answer>;
}

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface PeopleOptions {
  ports: readonly number[];
  emulator: Emulator;
  secretKey: string;
  chance: Chance;
}

const TRY_AGAIN_MS = 300;
/** Counted from when nobody is killed any more: before that, nobody is owed an answer. */
const PATIENCE_MS = 120_000;
const MAX_AT_ONCE = 20;
const REQUEST_TIMEOUT_MS = 15_000;
const CANCELS = 0.3;
const RESUMES = 0.5;
const CHANGES_IN_THE_DASHBOARD = 0.3;
const IS_DELETED = 0.1;
const CLICKS_TWICE = 0.3;

export function createPeople({ ports, emulator, secretKey, chance }: PeopleOptions): People {
  const problems: string[] = [];
  const busy = new Set<Promise<void>>();
  let count = 0;
  let turn = 0;
  let deadline = Infinity;
  let ticking: NodeJS.Timeout | null = null;

  const ask: People["ask"] = async (user, method, path, body = {}) => {
    turn += 1;
    const response = await fetch(`http://127.0.0.1:${ports[turn % ports.length]}/stripe/${path}`, {
      method,
      headers: { authorization: `Bearer ${user}`, "content-type": "application/json" },
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
      ...(method === "POST" && { body: JSON.stringify(body) }),
    });
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  const stripe = async (
    method: "GET" | "POST" | "DELETE",
    path: string,
    form: Record<string, string> = {},
  ): Promise<Answer> => {
    const response = await emulator.fetch(
      new Request(`http://127.0.0.1${path}`, {
        method,
        headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/x-www-form-urlencoded" },
        ...(method === "POST" && { body: new URLSearchParams(form).toString() }),
      }),
    );
    return { status: response.status, body: (await response.json()) as Record<string, unknown> };
  };

  /** Asks until an answer holds, as people do who see an error. */
  const until = async (
    what: Parameters<People["ask"]>,
    holds: (answer: Answer) => boolean = ({ status }) => status === 200,
  ): Promise<Answer> => {
    let last: unknown = null;
    while (performance.now() < deadline) {
      const answer = await ask(...what).catch((error: unknown) => {
        last = error;
        return null;
      });
      if (answer && holds(answer)) return answer;
      if (answer) last = answer;
      await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN_MS));
    }
    throw new Error(
      `${what[0]}: ${what[1]} ${what[2]} still answers ${last instanceof Error ? String(last) : JSON.stringify(last)}`,
    );
  };

  const buy = async (user: string): Promise<void> => {
    const request = { plan: "premium", interval: "month" };
    const open = (): Promise<Answer> => until([user, "POST", "create-checkout-session", request]);
    const clicks = await Promise.all(chance.happens(CLICKS_TWICE) ? [open(), open()] : [open()]);
    const sessionId = String(clicks[0]?.body["sessionId"]);
    const paid = await stripe("POST", `/v1/payment_pages/${sessionId}/confirm`, { payment_method: "pm_card_visa" });
    if (paid.status !== 200) throw new Error(`${user} could not pay ${sessionId}: ${JSON.stringify(paid.body)}`);
    await until(
      [user, "GET", `checkout-session?session_id=${sessionId}`],
      ({ status, body }) => status === 200 && body["status"] === "complete",
    );
  };

  const subscriptionOf = async (user: string): Promise<{ id: string; customer: string }> => {
    const found = await until([user, "GET", "subscriptions"]);
    const [first] = found.body["subscriptions"] as { id: string }[];
    const { body } = await stripe("GET", `/v1/subscriptions/${first?.id ?? "none"}`);
    return { id: String(body["id"]), customer: String(body["customer"]) };
  };

  const live = async (user: string): Promise<void> => {
    await buy(user);
    if (chance.happens(CANCELS)) {
      await until([user, "POST", "cancel-subscription"]);
      if (chance.happens(RESUMES)) await until([user, "POST", "resume-subscription"]);
    }
    if (chance.happens(CHANGES_IN_THE_DASHBOARD)) {
      const { id } = await subscriptionOf(user);
      const ends = String(chance.happens(0.5));
      await stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: ends, "metadata[note]": user });
    }
    if (chance.happens(IS_DELETED)) {
      const { customer } = await subscriptionOf(user);
      await stripe("DELETE", `/v1/customers/${customer}`);
      await until(
        [user, "GET", "entitlements"],
        ({ status, body }) => status === 200 && (body["entitlements"] as unknown[]).length === 0,
      );
      await buy(user);
    }
  };

  const come = (): void => {
    if (busy.size >= MAX_AT_ONCE) return;
    count += 1;
    const user = `user-${count}`;
    const visit: Promise<void> = live(user)
      .catch((error: unknown) => void problems.push(error instanceof Error ? error.message : String(error)))
      .finally(() => busy.delete(visit));
    busy.add(visit);
  };

  return {
    problems,
    ask,
    count: () => count,
    start(perSecond) {
      come();
      ticking = setInterval(come, 1_000 / perSecond);
    },
    async finish() {
      if (ticking) clearInterval(ticking);
      deadline = performance.now() + PATIENCE_MS;
      await Promise.all(busy);
    },
  };
}
