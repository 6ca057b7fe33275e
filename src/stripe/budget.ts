/**
 * One budget of requests towards Stripe for everything that this process asks: so many a second, so many in flight, with
 * users' calls before events, and events before sweeps. A 429 halves the pace, which then recovers. @see https://docs.stripe.com/rate-limits
 */

import { notSent } from "./not-sent.ts";
import type { SpanAttributes, Trace } from "../tracing.ts";

/** Who waits for the answer: a person, an event that is worked off, or a reconcile that reads everything. */
export type Urgency = "user" | "background" | "sweep";

export interface BudgetOptions {
  /** Of all replicas together. */
  requestsPerSecond: number;
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

/** How much may come at once, after a pause or where this process was busy: no second sees more than the pace all the same. */
const BURST_SECONDS = 0.2;
/** Of the requests in flight, so many are left to others than sweeps, whose lists may be slow. */
const SHARE_NOT_FOR_SWEEPS = 0.25;
/** Our clock counts whole milliseconds. */
const CLOCK_GRAIN_MS = 1;
const LEAST_PER_SECOND = 1;
const SLOWED_BY = 0.5;
/** Part of the full pace that comes back a second. */
const RECOVERY_PER_SECOND = 0.05;
const DEFAULT_PAUSE_MS = 1_000;
/**
 * Who waited longer has been given up by the SDK, whose timer may have stood still with the machine: what was decided on before
 * a night's sleep is not sent after it. Shorter than `LISTS_LAG_MS`: a key may end while it waits here.
 */
const LONGEST_WAIT_MS = 60_000;
const MAX_PAUSE_MS = 60_000;

interface Sent {
  at: number;
}

interface Waiting {
  since: number;
  /** Null where it waited too long. */
  go: (sent: Sent | null) => void;
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

export function createRateBudget(options: BudgetOptions): RateBudget {
  const waiting: Record<Urgency, Waiting[]> = { user: [], background: [], sweep: [] };
  let replicas = 1;
  let slowness = 1;
  let tokens = Math.max(1, options.requestsPerSecond * BURST_SECONDS);
  let countedAt: number | null = null;
  let pausedUntil = 0;
  let flying = 0;
  let flyingSweeps = 0;
  let limited = 0;
  /** The last requests that went, as many as a second may see. */
  const sent: Sent[] = [];
  let alarm: AbortController | null = null;

  const fullPace = (): number => Math.max(LEAST_PER_SECOND, options.requestsPerSecond / replicas);
  const pace = (): number => Math.max(LEAST_PER_SECOND, fullPace() * slowness);

  const count = (): void => {
    const now = options.now();
    if (countedAt !== null && now < countedAt) {
      // The clock was set back: what it said before can't be compared.
      sent.length = 0;
      pausedUntil = now + Math.max(0, pausedUntil - countedAt);
    }
    const seconds = Math.max(0, now - (countedAt ?? now)) / 1_000;
    countedAt = now;
    slowness = Math.min(1, slowness + RECOVERY_PER_SECOND * seconds);
    tokens = Math.min(Math.max(1, pace() * BURST_SECONDS), tokens + pace() * seconds);
  };

  /**
   * How long until a request makes no second fuller than the pace allows: Stripe counts any second, not only whole ones. A pace
   * that is no whole number is kept over the time in which its whole part goes.
   */
  const untilRoom = (): number => {
    const most = Math.max(1, Math.floor(pace()));
    const first = sent.at(-most);
    if (first === undefined) return 0;
    return Math.max(0, first.at + (most / pace()) * 1_000 + CLOCK_GRAIN_MS - options.now());
  };

  const noteSent = (): Sent => {
    const one = { at: options.now() };
    sent.push(one);
    if (sent.length > Math.max(1, options.requestsPerSecond)) sent.shift();
    return one;
  };

  const mostSweeps = Math.max(1, Math.floor(options.inFlight * (1 - SHARE_NOT_FOR_SWEEPS)));

  /** Whose turn it is. */
  const next = (): Urgency | null => {
    if (flying >= options.inFlight) return null;
    if (waiting.user.length > 0) return "user";
    if (waiting.background.length > 0) return "background";
    return waiting.sweep.length > 0 && flyingSweeps < mostSweeps ? "sweep" : null;
  };

  const serve = (): void => {
    count();
    for (let urgency = next(); urgency !== null; urgency = next()) {
      if (options.now() < pausedUntil || tokens < 1 || untilRoom() > 0) return void wake();
      const one = waiting[urgency].shift();
      if (!one) return;
      if (one.signal?.aborted) {
        one.fail(one.signal.reason);
        continue;
      }
      if (options.now() - one.since > LONGEST_WAIT_MS) {
        one.go(null);
        continue;
      }
      tokens -= 1;
      flying += 1;
      if (urgency === "sweep") flyingSweeps += 1;
      one.go(noteSent());
    }
  };

  /** Serves again when the next token is there. */
  const wake = async (): Promise<void> => {
    if (alarm) return;
    alarm = new AbortController();
    const untilToken = ((1 - tokens) / pace()) * 1_000;
    const wait = Math.max(untilToken, untilRoom(), pausedUntil - options.now());
    await options.sleep(Math.max(1, Math.ceil(wait)), alarm.signal);
    alarm = null;
    serve();
  };

  const take = (urgency: Urgency, signal: AbortSignal | null): Promise<Sent | null> =>
    new Promise((go, fail) => {
      const one: Waiting = { since: options.now(), go, fail, signal };
      waiting[urgency].push(one);
      signal?.addEventListener("abort", () => giveUp(urgency, one), { once: true });
      serve();
    });

  const giveUp = (urgency: Urgency, one: Waiting): void => {
    waiting[urgency] = waiting[urgency].filter((other) => other !== one);
    one.fail(one.signal?.reason);
  };

  const slowDown = (answer: Response): void => {
    limited += 1;
    // Only one object is busy: that says nothing of the pace.
    if (answer.headers.get("stripe-rate-limited-reason") === "resource-specific") return;
    count();
    slowness = Math.max(LEAST_PER_SECOND / fullPace(), slowness * SLOWED_BY);
    const seconds = Number(answer.headers.get("retry-after"));
    const pauseMs = seconds > 0 ? Math.min(MAX_PAUSE_MS, seconds * 1_000) : DEFAULT_PAUSE_MS;
    pausedUntil = Math.max(pausedUntil, options.now() + pauseMs);
  };

  return {
    fetch: (urgency) => async (input, init) => {
      const one = await take(urgency, init?.signal ?? null);
      if (one === null) return notSent("it waited too long for its turn");
      try {
        const answer = await options.trace("stripe", spanOf(urgency, input, init), async (note) => {
          // A busy process sends a little later than it may.
          one.at = options.now();
          const answered = await options.fetch(input, init);
          note({ "http.response.status_code": answered.status });
          return answered;
        });
        options.onAnswer(urgency, resultOf(answer.status));
        if (answer.status === 429) slowDown(answer);
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
      count();
      replicas = Math.max(1, alive);
    },
    state: () => {
      count();
      return {
        perSecond: pace(),
        inFlight: flying,
        waiting: { user: waiting.user.length, background: waiting.background.length, sweep: waiting.sweep.length },
        limited,
      };
    },
  };
}
