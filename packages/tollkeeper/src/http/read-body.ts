/** Reads the body of a request, up to a size limit. */
import type { IncomingMessage } from "node:http";
import { InvalidRequestError, TollkeeperError } from "../errors.ts";

/** Node's request, with two fields that Express and its body parsers may add. */
export type NodeRequest = IncomingMessage & { originalUrl?: string; rawBody?: unknown };

export type BodyResult = { kind: "ok"; bytes: Uint8Array } | { kind: "too_large" } | { kind: "unreadable" };

export async function readBody(request: Request, maxBytes: number): Promise<BodyResult> {
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > maxBytes) return { kind: "too_large" };
  // The HTTP server ensures that the body is not longer than its declared length, so the body can be read in one piece.
  if (length !== null) return readWhole(request);
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > maxBytes) return { kind: "too_large" };
      chunks.push(chunk);
    }
  } catch {
    return { kind: "unreadable" };
  }
  return { kind: "ok", bytes: joinChunks(chunks) };
}

/** Returns the chunks of a body as one array of bytes. Most request bodies have only one chunk, which is not copied. */
function joinChunks(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function readWhole(request: Request): Promise<BodyResult> {
  try {
    return { kind: "ok", bytes: new Uint8Array(await request.arrayBuffer()) };
  } catch {
    return { kind: "unreadable" };
  }
}

/** Reads the body of a request that a Node server received, up to `maxBytes`. */
export function readNodeBody(request: IncomingMessage, maxBytes: number): Promise<BodyResult> {
  return new Promise((resolve) => {
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) return resolve({ kind: "too_large" });
    if (request.readableEnded) return resolve({ kind: "ok", bytes: new Uint8Array() });
    if (request.destroyed) return resolve({ kind: "unreadable" });
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.byteLength;
      if (size <= maxBytes) return void chunks.push(chunk);
      request.off("data", take).pause();
      resolve({ kind: "too_large" });
    };
    request.on("data", take);
    request.on("end", () => resolve({ kind: "ok", bytes: joinChunks(chunks) }));
    request.on("error", () => resolve({ kind: "unreadable" }));
    request.on("close", () => resolve({ kind: "unreadable" }));
  });
}

export interface JsonRequest {
  /** A request whose body has not been read yet, so that the app's own `Authenticate` function can read the body. */
  request: Request;
  /** Returns the parsed body; an empty body is `{}`. Throws `InvalidRequestError` if the body is not JSON. */
  json: () => unknown;
}

/**
 * Reads the body of a request. Throws an error with status 413 if the body is larger than `maxBytes`, and `InvalidRequestError`
 * for a content type other than JSON. If `maxBytes` is null, does not read the body.
 */
export async function readJsonRequest(received: Request, maxBytes: number | null): Promise<JsonRequest> {
  if (maxBytes === null) return { request: received, json: () => undefined };
  const read = await readBody(received, maxBytes);
  if (read.kind === "too_large")
    throw new TollkeeperError(413, "payload_too_large", `The body exceeds ${maxBytes} bytes. Send a smaller body.`);
  if (read.kind === "unreadable")
    throw new InvalidRequestError("invalid_request", "The body ended early. Send the request again.");
  const type = received.headers.get("content-type") ?? "";
  if (read.bytes.byteLength > 0 && !/^application\/json\b/i.test(type))
    throw new InvalidRequestError("invalid_request", `Content type "${type}" is not supported. Send application/json.`);
  const headers = new Headers(received.headers);
  headers.set("content-type", "application/json");
  const body = read.bytes.byteLength > 0 ? read.bytes.slice() : "{}";
  const { url, method, signal } = received;
  return {
    request: new Request(url, { method, headers, body, signal }),
    json: () => parseJson(typeof body === "string" ? body : new TextDecoder().decode(body)),
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new InvalidRequestError("invalid_request", "The body is not valid JSON. Send a JSON object.", { cause });
  }
}
