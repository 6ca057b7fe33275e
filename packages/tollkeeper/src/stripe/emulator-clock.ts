/**
 * Follows the clock of an emulator that replaces Stripe. The emulator's API responses contain its time in a header. The header
 * of a webhook delivery is not used, because no signature covers it.
 */

/** The response header with the emulator's time, in epoch milliseconds. */
export const EMULATOR_TIME_HEADER = "stripe-emulator-time";

export interface EmulatorClock {
  /**
   * Returns the emulator's latest known time in epoch milliseconds; wall time before the emulator's first response. After the
   * first response, the returned time never decreases.
   */
  now(): number;
  /** Sends requests to the emulator, and reads its time from the responses. */
  fetch: typeof fetch;
  /** Asks the emulator for its time. Never throws: if the emulator is unreachable, the time stays the same. */
  poll(): Promise<void>;
  /** Polls once, and then every second until `stop`. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export interface EmulatorClockOptions {
  /** The base URL of the emulator. */
  base: string;
  secretKey: string;
  fetch: typeof fetch;
  /** Returns wall time in epoch milliseconds. */
  wallNow(): number;
  sleep(ms: number, signal: AbortSignal): Promise<void>;
  /** A callback that is called with the new time after the emulator's time has moved by more than `JUMP_MS` at once. */
  onJump(time: number): void;
}

/** Milliseconds between two polls. */
const POLL_MS = 1_000;
const POLL_TIMEOUT_MS = 2_000;
/** The clock of a running emulator moves by about one second between two polls. */
const JUMP_MS = 2_500;
/** A route of the emulator that no fault affects and that no request log contains. */
const CLOCK_PATH = "/_emulator/clock";
/** The latest instant that `Date` can represent. */
const MAX_INSTANT = 8.64e15;

/**
 * Returns true if requests to this base URL may follow an emulator's clock. Stripe itself and live keys never do. The option
 * `base` is undefined if the service uses https://api.stripe.com.
 */
export function isEmulatorPossible(base: string | undefined, secretKey: string): base is string {
  return base !== undefined && !/(^|\.)stripe\.com\.?$/.test(new URL(base).hostname) && /^[sr]k_test_/.test(secretKey);
}

export function createEmulatorClock(options: EmulatorClockOptions): EmulatorClock {
  const { wallNow, sleep, onJump } = options;
  let latest: number | null = null;
  /** False while the server at the base URL does not send the header, because it is another replacement of Stripe. */
  let isFollowing = true;
  let polling: { stop: AbortController; loop: Promise<void> } | null = null;

  const observe = ({ headers }: Response): void => {
    const time = parseTime(headers.get(EMULATOR_TIME_HEADER));
    if (time === null) return;
    isFollowing = true;
    const before = latest ?? wallNow();
    latest = Math.max(latest ?? time, time);
    if (Math.abs(latest - before) > JUMP_MS) onJump(latest);
  };

  const poll = async (stop: AbortSignal): Promise<void> => {
    try {
      const response = await options.fetch(new URL(CLOCK_PATH, options.base), {
        headers: { authorization: `Bearer ${options.secretKey}` },
        redirect: "error",
        signal: AbortSignal.any([stop, AbortSignal.timeout(POLL_TIMEOUT_MS)]),
      });
      isFollowing = false;
      observe(response);
      await response.body?.cancel();
    } catch {
      // An emulator that is unreachable now may start later, so polling continues.
    }
  };

  const repeat = async (stop: AbortSignal): Promise<void> => {
    while (!stop.aborted) {
      await sleep(POLL_MS, stop);
      if (!stop.aborted && isFollowing) await poll(stop);
    }
  };

  return {
    now: () => latest ?? wallNow(),
    async fetch(input, init) {
      const response = await options.fetch(input, init);
      observe(response);
      return response;
    },
    poll: () => poll(new AbortController().signal),
    async start() {
      if (polling) return;
      const stop = new AbortController();
      const first = poll(stop.signal);
      polling = { stop, loop: first.then(() => repeat(stop.signal)) };
      await first;
    },
    async stop() {
      polling?.stop.abort();
      await polling?.loop;
      polling = null;
    },
  };
}

function parseTime(value: string | null): number | null {
  if (value === null || !/^\d{1,16}$/.test(value)) return null;
  const time = Number(value);
  return time <= MAX_INSTANT ? time : null;
}
