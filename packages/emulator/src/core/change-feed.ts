/** Notifies open pages of changes. The feed is not part of the emulator's state. */
export interface ChangeFeed {
  /** The number of changes since the start of the emulator. */
  readonly count: number;
  notify(): void;
  /**
   * Adds a listener. Returns a function that removes the listener. Returns null if the feed is closed, or if it has the maximum
   * number of listeners.
   */
  listen(listener: FeedListener): (() => void) | null;
  /** Ends the feed for all listeners. */
  close(): void;
}

export interface FeedListener {
  changed: () => void;
  closed: () => void;
}

const MAX_LISTENERS = 32;

export function createChangeFeed(): ChangeFeed {
  const listeners = new Set<FeedListener>();
  let isClosed = false;
  let count = 0;
  return {
    get count() {
      return count;
    },
    notify() {
      count += 1;
      for (const listener of listeners) listener.changed();
    },
    listen(listener) {
      if (isClosed || listeners.size >= MAX_LISTENERS) return null;
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    close() {
      isClosed = true;
      for (const listener of listeners) listener.closed();
      listeners.clear();
    },
  };
}
