/** Serves the stream of changes that keeps the viewer's pages up to date, and the script that reads it. */
import type { Hono } from "hono";
import type { ChangeFeed } from "../../core/change-feed.ts";
import type { Engine } from "../../engine.ts";
import { SCRIPT } from "./script.ts";

/** The shortest time between two messages of a stream. */
const MESSAGE_INTERVAL_MS = 200;
/** The number of unread messages from which a stream sends no more, because the page does not read them. */
const MAX_UNREAD = 64;
/** The time between two comments that keep an idle stream open. */
const HEARTBEAT_MS = 15_000;

export function liveRoutes(app: Hono, engine: Engine): void {
  app.get("/_viewer/script.js", (c) => c.body(SCRIPT, 200, { "content-type": "text/javascript; charset=utf-8" }));
  app.get("/_viewer/live", (c) => {
    const stream = openStream(engine.feed);
    if (!stream) return c.text("Too many pages of the viewer are open. Close some of them.", 503);
    return c.body(stream, 200, { "content-type": "text/event-stream" });
  });
}

/**
 * Returns a stream of server-sent events that contain the number of changes. The stream ends when the feed closes. Returns null
 * if the feed accepts no more listeners.
 */
function openStream(feed: ChangeFeed): ReadableStream<Uint8Array> | null {
  const encoder = new TextEncoder();
  let controller: ReadableStreamDefaultController<Uint8Array>;
  let delayed: NodeJS.Timeout | null = null;
  const write = (text: string): void => {
    if ((controller.desiredSize ?? 0) > -MAX_UNREAD) controller.enqueue(encoder.encode(text));
  };
  const send = (): void => {
    delayed = null;
    write(`data: ${feed.count}\n\n`);
  };
  const heartbeat = setInterval(() => write(":\n\n"), HEARTBEAT_MS).unref();
  const stop = (): void => {
    clearInterval(heartbeat);
    if (delayed !== null) clearTimeout(delayed);
  };
  const unsubscribe = feed.listen({
    changed: () => (delayed ??= setTimeout(send, MESSAGE_INTERVAL_MS).unref()),
    closed: () => {
      stop();
      controller.close();
    },
  });
  if (unsubscribe === null) {
    stop();
    return null;
  }
  return new ReadableStream({
    start(created) {
      controller = created;
      send();
    },
    cancel() {
      unsubscribe();
      stop();
    },
  });
}
