/**
 * Sends webhooks at a fixed rate as Stripe does, even while the service is down. Sends the emulator's real events first, and
 * then made-up copies with new ids. Sometimes also repeats an event that the service has acknowledged. Sends each event again
 * until the service returns a status of 2xx.
 */
import { Agent, request } from "node:http";
import { signWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import type { SeededRandom } from "../simulation/seeded-random.ts";
import { createEventSource, MAX_RECENT, type EventSource, type SentEvent } from "./event-source.ts";
import { createPortPicker, type PortPicker } from "./port-picker.ts";

export interface WebhookSender {
  /** Adds a real event from the emulator. Real events are sent before made-up events. */
  add(body: string): void;
  start(perSecond: number): void;
  /**
   * Stops making up events, and sends all unacknowledged events until the service has acknowledged them. Throws if the service
   * has not acknowledged all events after ten minutes.
   */
  finish(): Promise<void>;
  /** Returns the ids of the events that the service acknowledged since the last call of `takeAcknowledged`. */
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
  /** Counts the delivery attempts by the response's status: "200", "503", or "none" if the connection failed. */
  responses: Record<string, number>;
}

export interface SenderOptions {
  ports: readonly number[];
  path: string;
  secret: string;
  random: SeededRandom;
}

const TICK_MS = 10;
const MAX_IN_FLIGHT = 64;
/**
 * Stripe retries a failed delivery after a minute. The webhook sender retries a failed delivery sooner than Stripe, so that the
 * test is faster.
 */
const RETRY_AFTER_MS = 500;
const RESPONSE_TIMEOUT_MS = 10_000;
const FINISH_TIMEOUT_MS = 600_000;
/** The maximum number of waiting events at which the webhook sender still makes up new events. */
const MAX_WAITING = 50_000;
const DUPLICATE_RATE = 0.03;

interface SenderState {
  options: SenderOptions;
  agent: Agent;
  ports: PortPicker;
  source: EventSource;
  counts: SenderCounts;
  waiting: SentEvent[];
  acknowledged: string[];
  lastAcknowledged: SentEvent[];
  inFlight: number;
  /** The number of events that wait for their next delivery attempt after a failed delivery. */
  retrying: number;
}

export function createWebhookSender(options: SenderOptions): WebhookSender {
  const state: SenderState = {
    options,
    agent: new Agent({ keepAlive: true, maxSockets: MAX_IN_FLIGHT }),
    ports: createPortPicker(options.ports, RESPONSE_TIMEOUT_MS),
    source: createEventSource(options.random),
    counts: { events: 0, acknowledged: 0, attempts: 0, repeated: 0, responses: {} },
    waiting: [],
    acknowledged: [],
    lastAcknowledged: [],
    inFlight: 0,
    retrying: 0,
  };
  let timer: NodeJS.Timeout | null = null;
  return {
    counts: state.counts,
    add: (body) => state.source.add(body),
    start(perSecond) {
      const addDue = createPace(perSecond, () => addNext(state));
      timer = setInterval(() => {
        addDue();
        pump(state);
      }, TICK_MS);
    },
    async finish() {
      if (timer) clearInterval(timer);
      await sendAll(state);
    },
    takeAcknowledged() {
      const taken = state.acknowledged;
      state.acknowledged = [];
      return taken;
    },
    close() {
      if (timer) clearInterval(timer);
      state.agent.destroy();
    },
  };
}

/**
 * Returns a function that calls `add` at the given rate. When the returned function runs, it calls `add` once for each event
 * that has become due since its previous run. If `add` has no event to send, the missed calls of `add` are not
 * repeated later.
 */
function createPace(perSecond: number, add: () => boolean): () => void {
  let startedAt = performance.now();
  let added = 0;
  return () => {
    const due = Math.floor(((performance.now() - startedAt) / 1_000) * perSecond);
    for (; added < due; added += 1) {
      if (add()) continue;
      startedAt = performance.now();
      added = 0;
      return;
    }
  };
}

/** Sends an event if possible, and returns false if no event can be sent now. */
function addNext(state: SenderState): boolean {
  const event = state.waiting.length < MAX_WAITING ? state.source.next() : null;
  if (event) enqueue(state, event);
  return event !== null;
}

async function sendAll(state: SenderState): Promise<void> {
  const { source, waiting, counts } = state;
  const deadline = performance.now() + FINISH_TIMEOUT_MS;
  const countLeft = (): number => source.countReal() + waiting.length + state.inFlight + state.retrying;
  while (countLeft() > 0) {
    if (performance.now() > deadline)
      throw new Error(`${countLeft()} events are still not acknowledged: ${JSON.stringify(counts)}`);
    for (let event = source.nextReal(); event; event = source.nextReal()) enqueue(state, event);
    pump(state);
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}

function enqueue(state: SenderState, event: SentEvent): void {
  const { counts, lastAcknowledged, options } = state;
  if (event.isDuplicate) counts.repeated += 1;
  else counts.events += 1;
  state.waiting.push(event);
  if (lastAcknowledged.length > 0 && options.random.happens(DUPLICATE_RATE))
    enqueue(state, { ...options.random.pick(lastAcknowledged), isDuplicate: true });
}

/** Sends waiting events until no more events can be sent now. The sender calls this function at each tick and after each
 * response. */
function pump(state: SenderState): void {
  for (let free = MAX_IN_FLIGHT - state.inFlight; free > 0 && state.waiting.length > 0; free -= 1) {
    const port = state.ports.next();
    const event = port === null ? undefined : state.waiting.shift();
    if (port === null || !event) return;
    send(state, event, port);
  }
}

function send(state: SenderState, event: SentEvent, port: number): void {
  const { agent, counts, options, ports } = state;
  state.inFlight += 1;
  counts.attempts += 1;
  const body = event.original.body.replace(event.original.id, event.id);
  let isSettled = false;
  const settleOnce = (outcome: string): void => {
    if (isSettled) return;
    isSettled = true;
    settle(state, event, outcome);
  };
  const headers = {
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    "stripe-signature": signWebhook(body, { now: Date.now(), secret: options.secret }),
  };
  const outgoing = request(
    { agent, host: "127.0.0.1", port, path: options.path, method: "POST", timeout: RESPONSE_TIMEOUT_MS, headers },
    (response) => {
      ports.markUp(port);
      response.resume();
      response.once("end", () => settleOnce(String(response.statusCode)));
      response.once("error", () => settleOnce("none"));
      response.once("close", () => settleOnce("none"));
    },
  );
  outgoing.once("timeout", () => outgoing.destroy(new Error("response timeout")));
  outgoing.once("error", (error: NodeJS.ErrnoException) => {
    // Errors of refused and broken connections have a code. The error of the sender's own timeout has no code.
    if (error.code !== undefined) ports.markDown(port);
    settleOnce("none");
  });
  outgoing.end(body);
}

function settle(state: SenderState, event: SentEvent, outcome: string): void {
  const { counts } = state;
  state.inFlight -= 1;
  counts.responses[outcome] = (counts.responses[outcome] ?? 0) + 1;
  if (!outcome.startsWith("2")) retryLater(state, event);
  else if (!event.isDuplicate) {
    counts.acknowledged += 1;
    state.acknowledged.push(event.id);
    state.lastAcknowledged[(counts.acknowledged - 1) % MAX_RECENT] = event;
  }
  pump(state);
}

function retryLater(state: SenderState, event: SentEvent): void {
  state.retrying += 1;
  setTimeout(() => {
    state.retrying -= 1;
    state.waiting.push(event);
  }, RETRY_AFTER_MS);
}
