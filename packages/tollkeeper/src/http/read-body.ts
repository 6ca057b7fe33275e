/** Reads the body of a request, up to a size limit. */
import type { IncomingMessage } from "node:http";
import { InvalidRequestError, TollkeeperError } from "../errors.ts";
import type { BodyAccount } from "./body-budget.ts";

/** Node's request, with two fields that Express and its body parsers may add. */
export type NodeRequest = IncomingMessage & { originalUrl?: string; rawBody?: unknown };

export type BodyResult =
  | { kind: "ok"; bytes: Uint8Array }
  | { kind: "too_large" }
  /** The body ended early or was already read; `error` is the reason, if it is known. */
  | { kind: "unreadable"; error?: unknown }
  /** The process holds too many bytes of bodies. */
  | { kind: "overloaded" };

/** Reads the body of a request, up to `maxBytes`. If `account` is given, it counts the bytes and can stop the reading. */
export async function readBody(request: Request, maxBytes: number, account?: BodyAccount): Promise<BodyResult> {
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > maxBytes) return { kind: "too_large" };
  // The HTTP server ensures that the body is not longer than its declared length, so the body can be read in one piece.
  if (length !== null && !account) return readWhole(request);
  if (request.bodyUsed) return { kind: "unreadable" };
  if (!request.body) return { kind: "ok", bytes: new Uint8Array() };
  const reader: ReadableStreamDefaultReader<Uint8Array> = request.body.getReader();
  const stop = (): void => void reader.cancel().catch(() => {});
  let isDropped = false;
  if (account)
    account.onDropped = () => {
      isDropped = true;
      stop();
    };
  const collector = createCollector(maxBytes);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (isDropped) return { kind: "overloaded" };
      if (done) return { kind: "ok", bytes: collector.bytes() };
      if (!collector.fits(value)) return { kind: "too_large" };
      if (account && !account.take(value.byteLength)) return { kind: "overloaded" };
      collector.add(value);
    }
  } catch (error) {
    return isDropped ? { kind: "overloaded" } : { kind: "unreadable", error };
  } finally {
    stop();
  }
}

/** Reads the body of a request in one piece. The caller has checked the body's declared length. */
async function readWhole(request: Request): Promise<BodyResult> {
  try {
    return { kind: "ok", bytes: new Uint8Array(await request.arrayBuffer()) };
  } catch (error) {
    return { kind: "unreadable", error };
  }
}

/**
 * Reads the body of a request that a Node server received, up to `maxBytes`. The account counts the bytes and can stop the
 * reading.
 */
export function readNodeBody(request: IncomingMessage, maxBytes: number, account: BodyAccount): Promise<BodyResult> {
  return new Promise((resolve) => {
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) return resolve({ kind: "too_large" });
    if (request.readableEnded) return resolve({ kind: "ok", bytes: new Uint8Array() });
    if (request.destroyed) return resolve({ kind: "unreadable" });
    let collector = createCollector(maxBytes);
    const stop = (result: BodyResult): void => {
      request.off("data", take).pause();
      // The request's listeners stay reachable until the connection closes. They must not keep the received bytes.
      collector = createCollector(0);
      resolve(result);
    };
    const take = (piece: Buffer): void => {
      if (!collector.fits(piece)) stop({ kind: "too_large" });
      else if (account.take(piece.byteLength)) collector.add(piece);
    };
    account.onDropped = () => stop({ kind: "overloaded" });
    request.on("data", take);
    request.on("end", () => resolve({ kind: "ok", bytes: collector.bytes() }));
    request.on("error", (error) => resolve({ kind: "unreadable", error }));
    request.on("close", () => resolve({ kind: "unreadable" }));
  });
}

interface Collector {
  /** Returns false if the body would be too large with this piece. */
  fits(piece: Uint8Array): boolean;
  add(piece: Uint8Array): void;
  bytes(): Uint8Array;
}

/**
 * Collects the pieces of a body in one buffer that doubles its size. A list of pieces would need much more memory than the body
 * if a client sent the body byte by byte. Most bodies have only one piece, which is not copied.
 */
function createCollector(maxBytes: number): Collector {
  let buffer: Uint8Array = new Uint8Array();
  let size = 0;
  return {
    fits: (piece) => size + piece.byteLength <= maxBytes,
    add(piece) {
      const end = size + piece.byteLength;
      if (size === 0) buffer = piece;
      else if (end > buffer.byteLength) {
        const larger = new Uint8Array(Math.min(maxBytes, end * 2));
        larger.set(buffer.subarray(0, size));
        buffer = larger;
      }
      if (size > 0) buffer.set(piece, size);
      size = end;
    },
    bytes: () => buffer.subarray(0, size),
  };
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
  if (read.kind !== "ok")
    throw new InvalidRequestError("invalid_request", "The body ended early. Send the request again.");
  if (read.bytes.byteLength > 0) requireJson(received.headers.get("content-type") ?? "");
  const headers = new Headers(received.headers);
  headers.set("content-type", "application/json");
  const body = read.bytes.byteLength > 0 ? read.bytes.slice() : "{}";
  const { url, method, signal } = received;
  return {
    request: new Request(url, { method, headers, body, signal }),
    json: () => parseJson(typeof body === "string" ? body : new TextDecoder().decode(body)),
  };
}

/** Throws `InvalidRequestError` if a content type is not JSON. */
export function requireJson(type: string): void {
  if (!/^application\/json\b/i.test(type))
    throw new InvalidRequestError("invalid_request", `Content type "${type}" is not supported. Send application/json.`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's error is no cause for the log, because it quotes the body.
    throw new InvalidRequestError("invalid_request", "The body is not valid JSON. Send a JSON object.");
  }
}
