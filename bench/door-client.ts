/** What sends signed events at a webhook endpoint, as fast as it answers: 32 connections that are kept, each event another one. */
import { createHmac } from "node:crypto";
import { connect } from "node:net";

export interface Load {
  port: number;
  /** What to send: heads of requests, without the filler that all bodies end with. */
  heads: Iterator<Buffer>;
  /** When to end, by `performance.now()`. */
  until: number;
}

const CONNECTIONS = 32;
const BODY_BYTES = 6_000;
/** Many times what an answer has: whatever is there is read at once. */
const ANSWER_BYTES = 16_384;

let events = 0;

/** What all events have in common, written once: the client shares the cores with what it measures. */
const FILLER = Buffer.from(`${"x".repeat(BODY_BYTES - 300)}"}}}}`);

/** All of one length. */
function nextHead(secret: string): Buffer {
  events += 1;
  const number = String(events).padStart(10, "0");
  const t = Math.floor(Date.now() / 1_000);
  const event = `{"id":"evt_${process.pid}_${number}","object":"event","api_version":"2026-10-28.endive","created":${t},"livemode":false,"type":"customer.subscription.updated","data":{"object":{"id":"sub_${number}","object":"subscription","customer":"cus_${number.slice(-4)}","status":"active","metadata":{"filler":"`;
  const v1 = createHmac("sha256", secret).update(`${t}.${event}`).update(FILLER).digest("hex");
  const head = `POST /stripe/webhook HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\nstripe-signature: t=${t},v1=${v1}\r\ncontent-length: ${event.length + FILLER.length}\r\n\r\n`;
  return Buffer.from(head + event);
}

/** Signs each as it goes. */
export function* signEvents(secret: string): Generator<Buffer> {
  for (;;) yield nextHead(secret);
}

/**
 * Signs so many ahead of time, which costs half of what sending them does; then each as it goes. They are in one piece of
 * memory: a collection of garbage would stop at each of so many.
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
 * As lean as a client gets: one connection, one request after the other, no stream of answers, and no look at one but its
 * status.
 */
async function send({ port, heads, until }: Load, latencies: number[]): Promise<void> {
  const { promise: ended, resolve, reject } = Promise.withResolvers<void>();
  let startedAt = 0;
  let answer = "";
  let request: Buffer | null = null;
  const next = (): void => {
    startedAt = performance.now();
    if (startedAt >= until) return resolve();
    answer = "";
    const head = heads.next().value as Buffer;
    request ??= Buffer.concat([head, FILLER]);
    head.copy(request);
    socket.write(request);
  };
  const take = (bytes: Buffer): void => {
    answer += bytes.toString("latin1");
    if (!isWhole(answer)) return;
    if (!answer.startsWith("HTTP/1.1 200")) return reject(new Error(answer.slice(0, 300)));
    latencies.push(performance.now() - startedAt);
    next();
  };
  const buffer = Buffer.allocUnsafe(ANSWER_BYTES);
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
  socket.on("close", () => reject(new Error("the endpoint has closed the connection")));
  await ended;
  socket.destroy();
}

function isWhole(answer: string): boolean {
  const end = answer.indexOf("\r\n\r\n");
  if (end < 0) return false;
  const length = /content-length: (\d+)/i.exec(answer)?.[1];
  return length === undefined ? answer.endsWith("0\r\n\r\n") : answer.length >= end + 4 + Number(length);
}

/** Answers how long each answer took, in milliseconds; throws at the first that is not 200. */
export async function sendForAWhile(load: Load): Promise<number[]> {
  const latencies: number[] = [];
  await Promise.all(Array.from({ length: CONNECTIONS }, () => send(load, latencies)));
  return latencies;
}
