/**
 * Stores messages that a page shows once after a redirect. Page URLs contain no messages, so that a link on another site cannot
 * make a page show a false message.
 */
export interface FlashMessages {
  put(id: string, text: string): void;
  /** Returns and removes the message for the object with this ID; null if there is none. */
  take(id: string): string | null;
}

/**
 * The maximum number of unread messages. If there are more unread messages than the maximum, the oldest messages are dropped.
 */
const MAX_MESSAGES = 1_000;

export function createFlashMessages(): FlashMessages {
  const kept = new Map<string, string>();
  return {
    put(id, text) {
      kept.delete(id);
      kept.set(id, text);
      const [oldest] = kept.keys();
      if (kept.size > MAX_MESSAGES && oldest !== undefined) kept.delete(oldest);
    },
    take(id) {
      const text = kept.get(id) ?? null;
      kept.delete(id);
      return text;
    },
  };
}
