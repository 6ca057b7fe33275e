/** What a page tells once after a redirect. Kept here: a notice in an address could be written by anybody. */
export interface Notices {
  put(id: string, text: string): void;
  /** The notice for this page's object, which is forgotten; null where there is none. */
  take(id: string): string | null;
}

/** Notices that nobody came back for; the oldest go. */
const MAX_KEPT = 1_000;

export function createNotices(): Notices {
  const kept = new Map<string, string>();
  return {
    put(id, text) {
      kept.delete(id);
      kept.set(id, text);
      const [oldest] = kept.keys();
      if (kept.size > MAX_KEPT && oldest !== undefined) kept.delete(oldest);
    },
    take(id) {
      const text = kept.get(id) ?? null;
      kept.delete(id);
      return text;
    },
  };
}
