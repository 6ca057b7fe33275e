/**
 * Creates the budget of all requests that this process sends to Stripe. The budget limits requests per second, in total and per
 * endpoint, and concurrent requests. Requests to Stripe wait in a queue until they may be sent. After a 429 response the
 * affected rate is halved and then recovers.
 * @see https://docs.stripe.com/rate-limits
 */
import type { SpanAttributes, Trace } from "../../tracing.ts";
import { createRateLimiter, type RateLimiter, type SentRequest } from "./rate-limiter.ts";
import { unsentResponse } from "./unsent-response.ts";

/** Priority of a request to Stripe: requests for users go first, then requests for events, then those of sweeps. */
export type Urgency = "user" | "background" | "sweep";

export interface BudgetOptions {
  /** Allowed requests per second of all replicas together. */
  requestsPerSecond: number;
  /** Allowed requests per second to one endpoint, of all replicas together. */
  requestsPerEndpoint: number;
  /** Maximum number of concurrent requests of this replica. */
  inFlight: number;
  fetch: typeof fetch;
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  trace: Trace;
  /**
   * This function is called after each request to Stripe. `result` is the class of the status ("2xx", "4xx" or "5xx"), "429",
   * or "failed" if no response arrived.
   */
  onResponse(urgency: Urgency, result: string): void;
}

export interface BudgetState {
  /** Current rate of this replica, in requests per second. */
  perSecond: number;
  inFlight: number;
  waiting: Record<Urgency, number>;
  /** Number of 429 responses that this process has received from Stripe so far. */
  limited: number;
}

export interface RateBudget {
  /** Returns the fetch function that sends requests with the given priority (urgency). */
  fetch(urgency: Urgency): typeof fetch;
  /** Sets the number of replicas that share the rate limits of Stripe. */
  shareAmong(replicas: number): void;
  state(): BudgetState;
}

/** Share of the concurrent requests that sweeps must not use, because requests for lists may be slow. */
const SHARE_RESERVED_FOR_OTHERS = 0.25;
/**
 * Maximum time in milliseconds for which a request to Stripe may wait in the queue. Usually the timeout of Stripe's SDK ends a
 * waiting request before the maximum wait is over. If the machine slept, the SDK's timer did not run, and the waiting request
 * may no longer be needed. The maximum wait is shorter than `LIST_LAG_MS`, because an idempotency key may expire while its
 * request waits in the queue.
 */
const MAX_WAIT_MS = 60_000;
const DEFAULT_PAUSE_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

export function createRateBudget(options: BudgetOptions): RateBudget {
  const { now } = options;
  let replicas = 1;
  let limited = 0;
  const createLimiter = (requestsPerSecond: number): RateLimiter =>
    createRateLimiter({ requestsPerSecond, replicas: () => replicas, now });
  const total = createLimiter(options.requestsPerSecond);
  const queue = createRequestQueue({ maxInFlight: options.inFlight, total, now, sleep: options.sleep });
  const endpoints = new Map<string, RateLimiter>();
  const limiterOf = (endpoint: string): RateLimiter => {
    const limiter = endpoints.get(endpoint) ?? createLimiter(options.requestsPerEndpoint);
    endpoints.set(endpoint, limiter);
    return limiter;
  };

  const backOff = ({ headers }: Response, endpoint: RateLimiter): void => {
    limited += 1;
    const reason = headers.get("stripe-rate-limited-reason") ?? "";
    // Stripe responded with 429 because of too many requests for one object, not because of the rate of all requests.
    if (reason === "resource-specific") return;
    const seconds = Number(headers.get("retry-after"));
    const pauseMs = seconds > 0 ? Math.min(MAX_PAUSE_MS, seconds * 1_000) : DEFAULT_PAUSE_MS;
    (reason.startsWith("endpoint-") ? endpoint : total).backOff(pauseMs);
  };

  return {
    fetch: (urgency) => async (input, init) => {
      const limiter = limiterOf(endpointOf(input, init));
      const sent = await queue.acquire(urgency, limiter, init?.signal ?? null);
      if (sent === null) return unsentResponse("it waited too long for its turn");
      try {
        const response = await options.trace("stripe", spanOf(urgency, input, init), async (note) => {
          // If the process is busy, a request is sent a little later than it was admitted, so the request's recorded time is
          // updated when it is sent.
          for (const one of sent) one.at = now();
          const received = await options.fetch(input, init);
          note({ "http.response.status_code": received.status });
          return received;
        });
        options.onResponse(urgency, resultOf(response.status));
        if (response.status === 429) backOff(response, limiter);
        return response;
      } catch (error) {
        options.onResponse(urgency, "failed");
        throw error;
      } finally {
        queue.release(urgency);
      }
    },
    shareAmong(count) {
      replicas = Math.max(1, count);
    },
    state: () => ({ perSecond: total.perSecond(), inFlight: queue.inFlight(), waiting: queue.waiting(), limited }),
  };
}

/**
 * Returns the class of an HTTP status, such as "4xx". HTTP statuses are grouped into a few classes, because each class becomes
 * a counter.
 */
function resultOf(status: number): string {
  return status === 429 ? "429" : `${Math.floor(status / 100)}xx`;
}

/**
 * Returns the attributes of the trace span of a request. The path of the request contains no personal data, only ids. The
 * attributes leave out the query of the request's URL, because a search may contain personal data.
 */
function spanOf(urgency: Urgency, input: string | URL | Request, init: RequestInit | undefined): SpanAttributes {
  const url = new URL(input instanceof Request ? input.url : input);
  return { urgency, "http.request.method": init?.method ?? "GET", "url.path": url.pathname };
}

/**
 * Path segments after `/v1` that are namespaces, not collections. For these, the endpoint's name also contains the next path
 * segment.
 */
const NAMESPACES: ReadonlySet<string> = new Set(["billing", "billing_portal", "checkout", "core", "entitlements"]);

/**
 * Returns the endpoint of a request: its method and its path without ids. Stripe applies its limit per endpoint to the
 * combination of method and path.
 */
function endpointOf(input: string | URL | Request, init: RequestInit | undefined): string {
  const { pathname } = new URL(input instanceof Request ? input.url : input);
  const [, version = "", ...names] = pathname.split("/");
  const first = NAMESPACES.has(names[0] ?? "") ? 1 : 0;
  const path = names.map((name, at) => ((at - first) % 2 === 1 && name !== "search" ? "*" : name));
  return [init?.method ?? "GET", version, ...path].join("/");
}

interface QueueOptions {
  /** Maximum number of concurrent requests to Stripe. */
  maxInFlight: number;
  /** The rate limiter of all endpoints together. */
  total: RateLimiter;
  now(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
}

interface RequestQueue {
  /**
   * Waits until a request may be sent. Resolves with the request's entries in both rate limiters, or with null if the request
   * waited too long. If the request's signal aborts, the wait rejects with the signal's reason.
   */
  acquire(urgency: Urgency, limiter: RateLimiter, signal: AbortSignal | null): Promise<SentRequest[] | null>;
  /** Frees the place that an admitted request occupies among the concurrent requests to Stripe. */
  release(urgency: Urgency): void;
  inFlight(): number;
  waiting(): Record<Urgency, number>;
}

interface WaitingRequest {
  urgency: Urgency;
  /** The rate limiter of the endpoint to which the request goes. */
  limiter: RateLimiter;
  since: number;
  /** The callback gets null if the request to Stripe waited too long in the queue. */
  resolve: (sent: SentRequest[] | null) => void;
  reject: (reason: unknown) => void;
  signal: AbortSignal | null;
}

/**
 * Keeps requests to Stripe in a queue until they may be sent. Urgent requests go first, within the rate of their endpoint and
 * of all endpoints.
 */
function createRequestQueue({ maxInFlight, total, now, sleep }: QueueOptions): RequestQueue {
  const waiting: Record<Urgency, WaitingRequest[]> = { user: [], background: [], sweep: [] };
  const maxSweeps = Math.max(1, Math.floor(maxInFlight * (1 - SHARE_RESERVED_FOR_OTHERS)));
  let inFlight = 0;
  let sweepsInFlight = 0;

  /** Returns the requests that wait only for a rate limit, the most urgent ones first. */
  const candidates = (): WaitingRequest[] => {
    if (inFlight >= maxInFlight) return [];
    return [...waiting.user, ...waiting.background, ...(sweepsInFlight < maxSweeps ? waiting.sweep : [])];
  };

  const admitWaiting = (): void => {
    for (let ready = candidates(); ready.length > 0; ready = candidates()) {
      const wait = total.msUntilAvailable();
      const next = wait > 0 ? undefined : ready.find(({ limiter }) => limiter.msUntilAvailable() === 0);
      if (!next)
        return void wakeAfter(Math.max(wait, Math.min(...ready.map(({ limiter }) => limiter.msUntilAvailable()))));
      remove(next);
      admit(next);
    }
  };
  const wakeAfter = createWakeup({ now, sleep }, admitWaiting);

  const admit = (request: WaitingRequest): void => {
    const { urgency, limiter, since, signal } = request;
    if (signal?.aborted) return request.reject(signal.reason);
    if (now() - since > MAX_WAIT_MS) return request.resolve(null);
    inFlight += 1;
    if (urgency === "sweep") sweepsInFlight += 1;
    request.resolve([total.acquire(), limiter.acquire()]);
  };

  const remove = (request: WaitingRequest): void => {
    waiting[request.urgency] = waiting[request.urgency].filter((other) => other !== request);
  };

  return {
    acquire: (urgency, limiter, signal) =>
      new Promise((resolve, reject) => {
        const request: WaitingRequest = { urgency, limiter, since: now(), resolve, reject, signal };
        waiting[urgency].push(request);
        const cancel = (): void => {
          remove(request);
          reject(signal?.reason);
        };
        signal?.addEventListener("abort", cancel, { once: true });
        admitWaiting();
      }),
    release(urgency) {
      inFlight -= 1;
      if (urgency === "sweep") sweepsInFlight -= 1;
      admitWaiting();
    },
    inFlight: () => inFlight,
    waiting: () => ({ user: waiting.user.length, background: waiting.background.length, sweep: waiting.sweep.length }),
  };
}

/**
 * Creates a timer function, which calls the callback `act` after a given number of milliseconds. If the timer function is
 * called several times, the callback `act` runs at the earliest requested time.
 */
function createWakeup({ now, sleep }: Pick<QueueOptions, "now" | "sleep">, act: () => void) {
  let next: { at: number; stop: AbortController } | null = null;
  return async (ms: number): Promise<void> => {
    const at = now() + Math.max(1, Math.ceil(ms));
    if (next && next.at <= at) return;
    next?.stop.abort();
    const mine = (next = { at, stop: new AbortController() });
    await sleep(at - now(), mine.stop.signal);
    if (next !== mine) return;
    next = null;
    act();
  };
}
