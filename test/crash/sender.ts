/**
 * Sends webhooks as Stripe does, so many a second whoever is there: real events first, then further Event objects about the
 * same changes, and now and then one that was acknowledged already. What is not answered 2xx is sent again.
 */
import { createHmac } from "node:crypto";
import { Agent, request } from "node:http";
import type { Chance } from "../simulation/chance.ts";

export interface Sender {
  /** An event that has happened: it is the next to go. */
  offer(body: string): void;
  start(perSecond: number): void;
  /** Makes no more events, and sends what is left until all of it is acknowledged; throws where that takes too long. */
  finish(): Promise<void>;
  /** Ids of events that were answered 2xx since the last call. */
  takeAcknowledged(): string[];
  counts: SenderCounts;
  close(): void;
}

export interface SenderCounts {
  /** Distinct events. */
  events: number;
  acknowledged: number;
  attempts: number;
  repeated: number;
  /** By what the answer was: "200", "503", "none" where the connection broke. */
  answers: Record<string, number>;
}

export interface SenderOptions {
  ports: readonly number[];
  path: string;
  secret: string;
  chance: Chance;
}

const TICK_MS = 10;
const MAX_IN_FLIGHT = 64;
/** Stripe waits a minute; the world of a test turns faster. */
const RETRY_AFTER_MS = 500;
const DESERTED_MS = 30;
const ANSWER_TIMEOUT_MS = 10_000;
const FINISH_TIMEOUT_MS = 600_000;
/** Past this no more events are made until some are through. */
const MAX_WAITING = 50_000;
/** Of so many of the newest real events one is told of again, under so many other ids one after the other. */
const RECENT = 200;
const TOLD_AGAIN = 50;
const SHARE_OF_DUPLICATES = 0.03;

interface Waiting {
  id: string;
  /** The event that Stripe made, of which this tells again where the ids differ. */
  original: { id: string; body: string };
  isDuplicate: boolean;
}

export function createSender({ ports, path, secret, chance }: SenderOptions): Sender {
  const agent = new Agent({ keepAlive: true, maxSockets: MAX_IN_FLIGHT });
  const counts: SenderCounts = { events: 0, acknowledged: 0, attempts: 0, repeated: 0, answers: {} };
  const recent: Waiting[] = [];
  const news: Waiting[] = [];
  const waiting: Waiting[] = [];
  let acknowledged: string[] = [];
  const lastAcknowledged: Waiting[] = [];
  /** port -> until when nobody is expected there: a refused connection costs both sides time. */
  const deserted = new Map<number, number>();
  let toldAgain: Waiting["original"] = { id: "", body: "" };
  let inFlight = 0;
  let retrying = 0;
  let made = 0;
  let turn = 0;
  let ticking: NodeJS.Timeout | null = null;

  const nextEvent = (): Waiting | null => {
    const real = news.shift();
    if (real) {
      recent.push(real);
      if (recent.length > RECENT) recent.shift();
      return real;
    }
    if (recent.length === 0) return null;
    if (made % TOLD_AGAIN === 0) toldAgain = chance.pick(recent).original;
    made += 1;
    return { id: `evt_again_${process.pid}_${made}`, original: toldAgain, isDuplicate: false };
  };

  const enqueue = (event: Waiting): void => {
    if (event.isDuplicate) counts.repeated += 1;
    else counts.events += 1;
    waiting.push(event);
    if (lastAcknowledged.length > 0 && chance.happens(SHARE_OF_DUPLICATES))
      enqueue({ ...chance.pick(lastAcknowledged), isDuplicate: true });
  };

  const settle = (event: Waiting, answer: string): void => {
    inFlight -= 1;
    counts.answers[answer] = (counts.answers[answer] ?? 0) + 1;
    if (answer.startsWith("2")) {
      if (!event.isDuplicate) {
        counts.acknowledged += 1;
        acknowledged.push(event.id);
        lastAcknowledged[(counts.acknowledged - 1) % RECENT] = event;
      }
    } else {
      retrying += 1;
      setTimeout(() => {
        retrying -= 1;
        waiting.push(event);
      }, RETRY_AFTER_MS);
    }
    pump();
  };

  /** The next in turn that is not known to be deserted. */
  const nextPort = (): number | null => {
    for (let tries = 0; tries < ports.length; tries += 1) {
      turn += 1;
      const port = ports[turn % ports.length] ?? 0;
      const until = deserted.get(port);
      if (until === undefined) return port;
      if (until > performance.now()) continue;
      // One goes and looks; the others wait for what it finds.
      deserted.set(port, performance.now() + ANSWER_TIMEOUT_MS);
      return port;
    }
    return null;
  };

  const send = (event: Waiting, port: number): void => {
    inFlight += 1;
    counts.attempts += 1;
    const body = event.original.body.replace(event.original.id, event.id);
    let isSettled = false;
    const once = (answer: string): void => {
      if (isSettled) return;
      isSettled = true;
      settle(event, answer);
    };
    const outgoing = request(
      {
        agent,
        host: "127.0.0.1",
        port,
        path,
        method: "POST",
        timeout: ANSWER_TIMEOUT_MS,
        headers: {
          "content-type": "application/json",
          "content-length": Buffer.byteLength(body),
          "stripe-signature": signatureOf(body, secret),
        },
      },
      (response) => {
        deserted.delete(port);
        response.resume();
        response.once("end", () => once(String(response.statusCode)));
        response.once("error", () => once("none"));
        response.once("close", () => once("none"));
      },
    );
    outgoing.once("timeout", () => outgoing.destroy(new Error("no answer")));
    outgoing.once("error", (error: NodeJS.ErrnoException) => {
      // A connection that breaks off, too, says that nobody is there.
      if (error.code !== undefined) deserted.set(port, performance.now() + DESERTED_MS);
      once("none");
    });
    outgoing.end(body);
  };

  /** Called by each tick and each answer. */
  const pump = (): void => {
    for (let free = MAX_IN_FLIGHT - inFlight; free > 0 && waiting.length > 0; free -= 1) {
      const port = nextPort();
      const event = port === null ? undefined : waiting.shift();
      if (port === null || !event) return;
      send(event, port);
    }
  };

  return {
    counts,
    offer(body) {
      const [, id] = /"id": ?"(evt_\w+)"/.exec(body) ?? [];
      if (id === undefined) throw new Error(`this is no event: ${body.slice(0, 100)}`);
      news.push({ id, original: { id, body }, isDuplicate: false });
    },
    start(perSecond) {
      let startedAt = performance.now();
      let sent = 0;
      ticking = setInterval(() => {
        const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
        for (; sent < due; sent += 1) {
          const event = waiting.length < MAX_WAITING ? nextEvent() : null;
          if (!event) {
            // Nothing to tell of: time that is lost is not made up for.
            startedAt = performance.now();
            sent = 0;
            break;
          }
          enqueue(event);
        }
        pump();
      }, TICK_MS);
    },
    async finish() {
      if (ticking) clearInterval(ticking);
      const deadline = performance.now() + FINISH_TIMEOUT_MS;
      const left = (): number => news.length + waiting.length + inFlight + retrying;
      while (left() > 0) {
        if (performance.now() > deadline)
          throw new Error(`${left()} events are still not acknowledged: ${JSON.stringify(counts)}`);
        for (let event = news.shift(); event; event = news.shift()) enqueue(event);
        pump();
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
    },
    takeAcknowledged() {
      const taken = acknowledged;
      acknowledged = [];
      return taken;
    },
    close() {
      if (ticking) clearInterval(ticking);
      agent.destroy();
    },
  };
}

function signatureOf(body: string, secret: string): string {
  const t = Math.floor(Date.now() / 1_000);
  return `t=${t},v1=${createHmac("sha256", secret).update(`${t}.${body}`).digest("hex")}`;
}
