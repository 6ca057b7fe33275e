/** How replicas on one PostgreSQL tell each other that something has come: a wait that polling would make long is short. */
import { setTimeout as wait } from "node:timers/promises";
import pg from "pg";
import type { Mode } from "../domain/records.ts";

/** Notified by whoever stores events, with their mode. */
export const ARRIVALS_CHANNEL = "tollkeeper_arrivals";

const CONNECT_TIMEOUT_MS = 5_000;
const GOODBYE_MS = 1_000;
/** Between two tries to connect; polling works on meanwhile. */
const RECONNECT_MS = 5_000;

export interface ArrivalsOptions {
  url: string;
  mode: Mode;
  onArrival: () => void;
  onConnectionLost: (error: Error) => void;
}

/** Listens until what it answers is called; a connection that is lost is made again. */
export function listenToArrivals(options: ArrivalsOptions): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const listening = (async (): Promise<void> => {
    while (!signal.aborted) {
      await listenOnce(options, signal);
      await wait(RECONNECT_MS, undefined, { signal }).catch(() => {});
    }
  })();
  return async () => {
    stopping.abort();
    await listening;
  };
}

/** Until the connection is lost or it is told to stop. */
async function listenOnce(
  { url, mode, onArrival, onConnectionLost }: ArrivalsOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: CONNECT_TIMEOUT_MS, keepAlive: true });
  const over = Promise.withResolvers<void>();
  const end = (): void => over.resolve();
  signal.addEventListener("abort", end);
  client.on("error", (error) => {
    onConnectionLost(error);
    over.resolve();
  });
  client.on("end", () => over.resolve());
  client.on("notification", ({ payload }) => {
    if (payload === mode) onArrival();
  });
  try {
    await client.connect();
    await client.query(`listen ${ARRIVALS_CHANNEL}`);
    // Something may have come while nobody listened.
    onArrival();
    await over.promise;
  } catch (error) {
    onConnectionLost(error instanceof Error ? error : new Error(String(error)));
  } finally {
    signal.removeEventListener("abort", end);
    // A connection that is only half there would be said goodbye to for minutes.
    await Promise.race([client.end().catch(() => {}), wait(GOODBYE_MS, undefined, { ref: false })]);
  }
}
