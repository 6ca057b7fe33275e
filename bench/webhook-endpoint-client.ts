/**
 * Sends signed events to a webhook endpoint on 32 persistent connections, as fast as the endpoint responds. Each event has a
 * new id.
 */
import { createHmac } from "node:crypto";
import { connect } from "node:net";

export interface Load {
  port: number;
  /** The HTTP requests that the client sends, without the filler that the client adds at the end of each body. */
  heads: Iterator<Buffer>;
  /** Time at which the run ends, as a value of `performance.now()`. */
  until: number;
}

const CONNECTIONS = 32;
const BODY_BYTES = 6_000;
/** Size of the read buffer: many times the size of a response, so that one read gets the whole response. */
const RESPONSE_BYTES = 16_384;

let events = 0;

/**
 * Filler at the end of every request body. The filler of request bodies is made once, because the client shares the cores with
 * the measured server.
 */
const FILLER = Buffer.from(`${"x".repeat(BODY_BYTES - 300)}"}}}}`);

/** Returns the next request without the filler at its end. All requests of the client have the same length. */
function nextHead(secret: string): Buffer {
  events += 1;
  const number = String(events).padStart(10, "0");
  const t = Math.floor(Date.now() / 1_000);
  const event = `{"id":"evt_${process.pid}_${number}","object":"event","api_version":"2026-10-28.endive","created":${t},"livemode":false,"type":"customer.subscription.updated","data":{"object":{"id":"sub_${number}","object":"subscription","customer":"cus_${number.slice(-4)}","status":"active","metadata":{"filler":"`;
  const v1 = createHmac("sha256", secret).update(`${t}.${event}`).update(FILLER).digest("hex");
  const head = `POST /stripe/webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nstripe-signature: t=${t},v1=${v1}\r\ncontent-length: ${event.length + FILLER.length}\r\n\r\n`;
  return Buffer.from(head + event);
}

/** Yields an endless sequence of requests. Signs each event when the event is sent. */
export function* signEvents(secret: string): Generator<Buffer> {
  for (;;) yield nextHead(secret);
}

/**
 * Signs `count` events ahead of time, because signing costs half as much as sending. Events after the first `count` are
 * signed when they are sent. All signed events are in one buffer, so that the garbage collector has only one object to visit.
 */
export function signAhead(secret: string, count: number): () => Generator<Buffer> {
  const length = nextHead(secret).byteLength;
  const signed = Buffer.alloc(count * length);
  for (let at = 0; at < signed.byteLength; at += length) nextHead(secret).copy(signed, at);
  return function* heads() {
    for (let at = 0; at < signed.byteLength; at += length) yield signed.subarray(at, at + length);
    yield* signEvents(secret);
  };
}

/**
 * Sends requests on one connection, each after the response to the previous request. The client reads only the status of a
 * response, to use little processor time.
 */
async function send({ port, heads, until }: Load, latencies: number[]): Promise<void> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let startedAt = 0;
  let response = "";
  let request: Buffer | null = null;
  const next = (): void => {
    startedAt = performance.now();
    if (startedAt >= until) return resolve();
    response = "";
    const head = heads.next().value as Buffer;
    request ??= Buffer.concat([head, FILLER]);
    head.copy(request);
    socket.write(request);
  };
  const take = (bytes: Buffer): void => {
    response += bytes.toString("latin1");
    if (!isComplete(response)) return;
    if (!response.startsWith("HTTP/1.1 200")) return reject(new Error(response.slice(0, 300)));
    latencies.push(performance.now() - startedAt);
    next();
  };
  const buffer = Buffer.allocUnsafe(RESPONSE_BYTES);
  const onread = {
    buffer,
    callback: (length: number): boolean => {
      take(buffer.subarray(0, length));
      return true;
    },
  };
  const socket = connect({ port, host: "127.0.0.1", noDelay: true, onread });
  socket.on("connect", next);
  socket.on("error", reject);
  socket.on("close", () => reject(new Error("The endpoint closed the connection.")));
  await ended;
  socket.destroy();
}

function isComplete(response: string): boolean {
  const end = response.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(response)?.[1];
  return length === undefined ? response.endsWith("0\r\n\r\n") : response.length >= end + 4 + Number(length);
}

/**
 * Sends events on all connections until the run ends. Returns the latency of each response in milliseconds. Throws at the first
 * response with a status other than 200.
 */
export async function sendEvents(load: Load): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(Array.from({ length: CONNECTIONS }, () => send(load, latencies)));
  return latencies;
}
