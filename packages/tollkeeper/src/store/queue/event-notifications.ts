/** Notifies other replicas through PostgreSQL of new events, so that they need not wait for their next poll. */
import { setTimeout as wait } from "node:timers/promises";
import { sql, type Kysely } from "kysely";
import pg from "pg";
import type { Mode } from "../../domain/records.ts";
import { CONNECT_TIMEOUT_MS, forceCloseAfter, KEEP_ALIVE } from "../postgres.ts";
import type { Schema } from "../schema.ts";

/**
 * Name of the PostgreSQL channel that notifies replicas of new events. The payload of a notification is the mode of the new
 * events.
 */
const CHANNEL = "tollkeeper_new_events";
/**
 * Minimum time in milliseconds between two notifications. A replica that is notified of new events processes all events, so
 * more frequent notifications would not help.
 */
const NOTIFY_INTERVAL_MS = 20;
/**
 * Milliseconds until a lost connection for notifications is opened again. While the connection is lost, the worker finds new
 * events by polling.
 */
const RECONNECT_MS = 5_000;

/**
 * Returns a function that notifies other replicas of new events. The notification is sent after the commit that stores events.
 * If transactions that store events also sent notifications, PostgreSQL would write their commits to disk only one after the
 * other. If a notification is lost, a replica finds the events at its next poll.
 */
export function notifyNewEvents(db: Kysely<Schema>, mode: Mode, onFailure: (error: Error) => void): () => void {
  let isNotifying = false;
  let hasMore = false;
  const notify = async (): Promise<void> => {
    isNotifying = true;
    do {
      hasMore = false;
      await sql`select pg_notify(${CHANNEL}, ${mode})`.execute(db).catch(onFailure);
      await wait(NOTIFY_INTERVAL_MS, undefined, { ref: false });
    } while (hasMore);
    isNotifying = false;
  };
  return () => {
    hasMore = true;
    if (!isNotifying) void notify();
  };
}

export interface NewEventsOptions {
  url: string;
  mode: Mode;
  onNewEvents: () => void;
  onConnectionLost: (error: Error) => void;
}

/**
 * Listens for notifications until the returned function is called. If the connection for notifications is lost, opens a new
 * one.
 */
export function listenForNewEvents(options: NewEventsOptions): () => Promise<void> {
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

/** Opens one connection and listens until the connection is lost or the signal aborts. */
async function listenOnce(
  { url, mode, onNewEvents, onConnectionLost }: NewEventsOptions,
  signal: AbortSignal,
): Promise<void> {
  const client = new pg.Client({
    connectionString: url,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    query_timeout: CONNECT_TIMEOUT_MS,
    ...KEEP_ALIVE,
  });
  const ended = Promise.withResolvers<void>();
  const end = (): void => ended.resolve();
  signal.addEventListener("abort", end);
  client.on("error", (error) => {
    onConnectionLost(error);
    ended.resolve();
  });
  client.on("end", () => ended.resolve());
  client.on("notification", ({ payload }) => {
    if (payload === mode) onNewEvents();
  });
  try {
    await client.connect();
    await client.query(`listen ${CHANNEL}`);
    // Other replicas may have stored events before the connection listened for notifications.
    onNewEvents();
    await ended.promise;
  } catch (error) {
    onConnectionLost(error instanceof Error ? error : new Error(String(error)));
  } finally {
    signal.removeEventListener("abort", end);
    forceCloseAfter(client);
    await client.end().catch(() => {});
  }
}
