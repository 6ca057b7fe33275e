/**
 * One budget of requests towards Stripe for everything that this process asks: so many a second, in all and of one endpoint, and
 * so many in flight, with users' calls before events, and events before sweeps. A 429 halves the pace that it is about, which then
 * recovers. @see https://docs.stripe.com/rate-limits
 */

import { notSent } from "./unsent-response.ts";
import { createPace, type Pace, type Sent } from "./rate-limiter.ts";
import type { SpanAttributes, Trace } from "../../tracing.ts";

/** Who waits for the answer: a person, an event that is worked off, or a reconcile that reads everything. */
export type Urgency = "user" | "background" | "sweep";

export interface BudgetOptions {
  /** Of all replicas together. */
  requestsPerSecond: number;
  /** The same, of a method and path. */
  requestsPerEndpoint: number;
  inFlight: number;
  fetch: typeof fetch;
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  trace: Trace;
  /** Told how each request went. */
  onAnswer(urgency: Urgency, result: string): void;
}

export interface BudgetState {
  /** What may be asked a second now, by this replica. */
  perSecond: number;
  inFlight: number;
  waiting: Record<Urgency, number>;
  /** Answers 429 so far. */
  limited: number;
}

export interface RateBudget {
  /** The network, for one kind of caller. */
  fetch(urgency: Urgency): typeof fetch;
  /** Says among how many replicas the budget is shared. */
  share(replicas: number): void;
  state(): BudgetState;
}

/** Of the requests in flight, so many are left to others than sweeps, whose lists may be slow. */
const SHARE_NOT_FOR_SWEEPS = 0.25;
const DEFAULT_PAUSE_MS = 1_000;
/**
 * Who waited longer has been given up by the SDK, whose timer may have stood still with the machine: what was decided on before
 * a night's sleep is not sent after it. Shorter than `LISTS_LAG_MS`: a key may end while it waits here.
 */
const LONGEST_WAIT_MS = 60_000;
const MAX_PAUSE_MS = 60_000;

interface Waiting {
  urgency: Urgency;
  /** Its endpoint's. */
  pace: Pace;
  since: number;
  /** Null where it waited too long. */
  go: (sent: Sent[] | null) => void;
  fail: (reason: unknown) => void;
  signal: AbortSignal | null;
}

/** Few words, so that whoever counts has few counters. */
function resultOf(status: number): string {
  return status === 429 ? "429" : `${Math.floor(status / 100)}xx`;
}

/** The path names objects by their ids; what is searched for stays out, since it may name a person. */
function spanOf(urgency: Urgency, input: string | URL | Request, init: RequestInit | undefined): SpanAttributes {
  const url = new URL(input instanceof Request ? input.url : input);
  return { urgency, "http.request.method": init?.method ?? "GET", "url.path": url.pathname };
}

/** Paths of which the first name is not yet a collection's. */
const NAMESPACES: ReadonlySet<string> = new Set(["billing", "billing_portal", "checkout", "core", "entitlements"]);

/** What Stripe counts apart: a method and a path, whatever object it is of. */
function endpointOf(input: string | URL | Request, init: RequestInit | undefined): string {
  const { pathname } = new URL(input instanceof Request ? input.url : input);
  const [, version = "", ...names] = pathname.split("/");
  const first = NAMESPACES.has(names[0] ?? "") ? 1 : 0;
  const path = names.map((name, at) => ((at - first) % 2 === 1 && name !== "search" ? "*" : name));
  return [init?.method ?? "GET", version, ...path].join("/");
}

export function createRateBudget(options: BudgetOptions): RateBudget {
  const waiting: Record<Urgency, Waiting[]> = { user: [], background: [], sweep: [] };
  let replicas = 1;
  let flying = 0;
  let flyingSweeps = 0;
  let limited = 0;
  let alarm: { at: number; stop: AbortController } | null = null;

  const createPaceOf = (requestsPerSecond: number): Pace =>
    createPace({ requestsPerSecond, replicas: () => replicas, now: options.now });
  const whole = createPaceOf(options.requestsPerSecond);
  const endpoints = new Map<string, Pace>();
  const paceOf = (endpoint: string): Pace => {
    const known = endpoints.get(endpoint) ?? createPaceOf(options.requestsPerEndpoint);
    endpoints.set(endpoint, known);
    return known;
  };

  const mostSweeps = Math.max(1, Math.floor(options.inFlight * (1 - SHARE_NOT_FOR_SWEEPS)));

  /** Those whom only the pace keeps waiting, the most urgent first. */
  const ready = (): Waiting[] => {
    if (flying >= options.inFlight) return [];
    return [...waiting.user, ...waiting.background, ...(flyingSweeps < mostSweeps ? waiting.sweep : [])];
  };

  const serve = (): void => {
    for (let able = ready(); able.length > 0; able = ready()) {
      const wait = whole.untilRoom();
      const one = wait > 0 ? undefined : able.find(({ pace }) => pace.untilRoom() === 0);
      if (!one) return void wake(Math.max(wait, Math.min(...able.map(({ pace }) => pace.untilRoom()))));
      remove(one);
      if (one.signal?.aborted) one.fail(one.signal.reason);
      else if (options.now() - one.since > LONGEST_WAIT_MS) one.go(null);
      else {
        flying += 1;
        if (one.urgency === "sweep") flyingSweeps += 1;
        one.go([whole.take(), one.pace.take()]);
      }
    }
  };

  const remove = (one: Waiting): void => {
    waiting[one.urgency] = waiting[one.urgency].filter((other) => other !== one);
  };

  /** Serves again when there is room. */
  const wake = async (wait: number): Promise<void> => {
    const now = options.now();
    const at = now + Math.max(1, Math.ceil(wait));
    if (alarm && alarm.at <= at) return;
    alarm?.stop.abort();
    const mine = (alarm = { at, stop: new AbortController() });
    await options.sleep(at - now, mine.stop.signal);
    if (alarm !== mine) return;
    alarm = null;
    serve();
  };

  const take = (urgency: Urgency, pace: Pace, signal: AbortSignal | null): Promise<Sent[] | null> =>
    new Promise((go, fail) => {
      const one: Waiting = { urgency, pace, since: options.now(), go, fail, signal };
      waiting[urgency].push(one);
      signal?.addEventListener("abort", () => giveUp(one), { once: true });
      serve();
    });

  const giveUp = (one: Waiting): void => {
    remove(one);
    one.fail(one.signal?.reason);
  };

  const slowDown = ({ headers }: Response, endpoint: Pace): void => {
    limited += 1;
    const reason = headers.get("stripe-rate-limited-reason") ?? "";
    // Only one object is busy: that says nothing of the pace.
    if (reason === "resource-specific") return;
    const seconds = Number(headers.get("retry-after"));
    const pauseMs = seconds > 0 ? Math.min(MAX_PAUSE_MS, seconds * 1_000) : DEFAULT_PAUSE_MS;
    (reason.startsWith("endpoint-") ? endpoint : whole).slowDown(pauseMs);
  };

  return {
    fetch: (urgency) => async (input, init) => {
      const pace = paceOf(endpointOf(input, init));
      const sent = await take(urgency, pace, init?.signal ?? null);
      if (sent === null) return notSent("it waited too long for its turn");
      try {
        const answer = await options.trace("stripe", spanOf(urgency, input, init), async (note) => {
          // A busy process sends a little later than it may.
          for (const one of sent) one.at = options.now();
          const answered = await options.fetch(input, init);
          note({ "http.response.status_code": answered.status });
          return answered;
        });
        options.onAnswer(urgency, resultOf(answer.status));
        if (answer.status === 429) slowDown(answer, pace);
        return answer;
      } catch (error) {
        options.onAnswer(urgency, "failed");
        throw error;
      } finally {
        flying -= 1;
        if (urgency === "sweep") flyingSweeps -= 1;
        serve();
      }
    },
    share(alive) {
      replicas = Math.max(1, alive);
    },
    state: () => ({
      perSecond: whole.perSecond(),
      inFlight: flying,
      waiting: { user: waiting.user.length, background: waiting.background.length, sweep: waiting.sweep.length },
      limited,
    }),
  };
}
