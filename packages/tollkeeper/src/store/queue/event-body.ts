/**
 * Compresses the bodies of events to about a tenth of their size, as text that any database can store, and decompresses them.
 */
import { gunzipSync, gzipSync } from "node:zlib";

/**
 * The gzip level of event bodies is the fastest one, because the webhook endpoint waits for the compression, and higher levels
 * save little space.
 */
const LEVEL = 1;

export function packBody(body: Uint8Array): string {
  return gzipSync(body, { level: LEVEL }).toString("base64");
}

export function unpackBody(packed: string): string {
  return gunzipSync(Buffer.from(packed, "base64")).toString("utf8");
}
