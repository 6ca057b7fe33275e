/** How replicas on one PostgreSQL tell each other that something has come: a wait that polling would make long is short. */
import { setTimeout as wait } from "node:timers/promises";
import { sql, type Kysely } from "kysely";
import pg from "pg";
import type { Mode } from "../../domain/records.ts";
import { CONNECT_TIMEOUT_MS, KEEP_ALIVE, limitGoodbye } from "../postgres.ts";
import type { Schema } from "../schema.ts";

/** Notified by whoever stores events, with their mode. */
const CHANNEL = "tollkeeper_arrivals";

/** Who hears that something has come looks for whatever there is: no word more often than this. */
const SAY_EVERY_MS = 20;
/** Between two tries to connect; polling works on meanwhile. */
const RECONNECT_MS = 5_000;

/**
 * Tells the others that events have come. Not in the commit that stores them: one that notifies makes every other that does wait
 * until it is on disk. A word that is lost is made up for by polling.
 */
export function sayArrivals(db: Kysely<Schema>, mode: Mode, onFailure: (error: Error) => void): () => void {
  let isSaying = false;
  let isMore = false;
  const say = async (): Promise<void> => {
    isSaying = true;
    do {
      isMore = false;
      await sql`select pg_notify(${CHANNEL}, ${mode})`.execute(db).catch(onFailure);
      await wait(SAY_EVERY_MS, undefined, { ref: false });
    } while (isMore);
    isSaying = false;
  };
  return () => {
    isMore = true;
    if (!isSaying) void say();
  };
}

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
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    ...KEEP_ALIVE,
  });
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
    await client.query(`listen ${CHANNEL}`);
    // Something may have come while nobody listened.
    onArrival();
    await over.promise;
  } catch (error) {
    onConnectionLost(error instanceof Error ? error : new Error(String(error)));
  } finally {
    signal.removeEventListener("abort", end);
    limitGoodbye(client);
    await client.end().catch(() => {});
  }
}
