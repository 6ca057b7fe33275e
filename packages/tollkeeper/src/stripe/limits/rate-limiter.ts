/** So many requests in any second, and fewer for a while after Stripe has said that they were too many. */

export interface Pace {
  /** What may be asked a second now, by this replica. */
  perSecond(): number;
  /** Milliseconds until one more may go; 0 where it may now. */
  untilRoom(): number;
  /** One goes. Who sends it a little later than this writes down when. */
  take(): Sent;
  /** Halves the pace, which then comes back, and lets nothing go for so long. */
  slowDown(pauseMs: number): void;
}

export interface Sent {
  at: number;
}

export interface PaceOptions {
  /** Of all replicas together. */
  requestsPerSecond: number;
  /** Among how many it is shared now. */
  replicas(): number;
  now(): number;
}

/** How much may come at once, after a pause or where this process was busy: no second sees more than the pace all the same. */
const BURST_SECONDS = 0.2;
/** Our clock counts whole milliseconds. */
const CLOCK_GRAIN_MS = 1;
const LEAST_PER_SECOND = 1;
const SLOWED_BY = 0.5;
/** Part of the full pace that comes back a second. */
const RECOVERY_PER_SECOND = 0.05;

export function createPace({ requestsPerSecond, replicas, now }: PaceOptions): Pace {
  let slowness = 1;
  let tokens = Math.max(1, requestsPerSecond * BURST_SECONDS);
  let countedAt: number | null = null;
  let pausedUntil = 0;
  /** The last requests that went, as many as a second may see. */
  const sent: Sent[] = [];

  const full = (): number => Math.max(LEAST_PER_SECOND, requestsPerSecond / replicas());
  const pace = (): number => Math.max(LEAST_PER_SECOND, full() * slowness);

  const count = (): void => {
    const at = now();
    if (countedAt !== null && at < countedAt) {
      // The clock was set back: what it said before can't be compared.
      sent.length = 0;
      pausedUntil = at + Math.max(0, pausedUntil - countedAt);
    }
    const seconds = Math.max(0, at - (countedAt ?? at)) / 1_000;
    countedAt = at;
    slowness = Math.min(1, slowness + RECOVERY_PER_SECOND * seconds);
    tokens = Math.min(Math.max(1, pace() * BURST_SECONDS), tokens + pace() * seconds);
  };

  /**
   * How long until a request makes no second fuller than the pace allows: Stripe counts any second, not only whole ones. A pace
   * that is no whole number is kept over the time in which its whole part goes.
   */
  const untilSecondHasRoom = (): number => {
    const most = Math.max(1, Math.floor(pace()));
    const first = sent.at(-most);
    return first === undefined ? 0 : first.at + (most / pace()) * 1_000 + CLOCK_GRAIN_MS - now();
  };

  return {
    perSecond() {
      count();
      return pace();
    },
    untilRoom() {
      count();
      const untilToken = ((1 - tokens) / pace()) * 1_000;
      return Math.max(0, untilToken, untilSecondHasRoom(), pausedUntil - now());
    },
    take() {
      tokens -= 1;
      const one = { at: now() };
      sent.push(one);
      if (sent.length > Math.max(1, requestsPerSecond)) sent.shift();
      return one;
    },
    slowDown(pauseMs) {
      count();
      slowness = Math.max(LEAST_PER_SECOND / full(), slowness * SLOWED_BY);
      pausedUntil = Math.max(pausedUntil, now() + pauseMs);
    },
  };
}
