/** Bodies of events, where they are kept: a tenth of their size, as text that any database takes. */
import { gunzipSync, gzipSync } from "node:zlib";

/** The fastest level: the door waits for it, and a better one saves little. */
const LEVEL = 1;

export function packBody(body: Uint8Array): string {
  return gzipSync(body, { level: LEVEL }).toString("base64");
}

export function unpackBody(packed: string): string {
  return gunzipSync(Buffer.from(packed, "base64")).toString("utf8");
}
