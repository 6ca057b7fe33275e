/**
 * Measures each step of receiving an event, in this process and without HTTP. The SDK's own signature check is measured for
 * comparison. Part of `npm run bench`.
 */
import { createHmac } from "node:crypto";
import Stripe from "stripe";
import { openStore } from "../packages/tollkeeper/src/store/open-store.ts";
import type { InboxEvent } from "../packages/tollkeeper/src/store/queue/inbox.ts";
import { parseEnvelope } from "../packages/tollkeeper/src/stripe/webhook/envelope.ts";
import { verifySignature } from "../packages/tollkeeper/src/stripe/webhook/signature.ts";
import { figuresOf, percentile, writeResult, type Figure } from "./results.ts";
import { onBothStores } from "./stores.ts";

const SECRET = "whsec_bench_secret";
const BODY_BYTES = 6_000;
const EVENTS = 2_000;
/**
 * Number of rounds. Only the fastest round of a measurement counts, because other work on the machine makes a round slower,
 * never faster.
 */
const ROUNDS = 15;
/** Number of events in one commit. */
const BATCH = 12;
const COMMITS = 300;

const at = Math.floor(Date.now() / 1_000);

function nthEvent(n: number): { payload: Buffer; header: string } {
  const head = `{"id":"evt_${n}","object":"event","created":${at},"livemode":false,"type":"customer.subscription.updated","data":{"object":{"id":"sub_${n}","object":"subscription","customer":"cus_${n}","metadata":{"filler":"`;
  const payload = Buffer.from(`${head.padEnd(BODY_BYTES, "x")}"}}}}`);
  const v1 = createHmac("sha256", SECRET).update(`${at}.`).update(payload).digest("hex");
  return { payload, header: `t=${at},v1=${v1}` };
}

const events = Array.from({ length: EVENTS }, (_, n) => nthEvent(n));

/** Returns how many microseconds one step of receiving an event takes per event. */
function costOf(step: (event: (typeof events)[number]) => unknown): number {
  const took = Array.from({ length: ROUNDS }, () => {
    const startedAt = performance.now();
    for (const event of events) step(event);
    return ((performance.now() - startedAt) * 1_000) / EVENTS;
  });
  return Math.min(...took);
}

const figures: Figure[] = [];

function report(step: string, us: number, store?: string): void {
  console.log(`${`${step}${store ? ` on ${store}` : ""}`.padEnd(62)} ${us.toFixed(1).padStart(6)} µs per event`);
  figures.push(...figuresOf(step, { "time per event (µs)": us }, store));
}

const stripe = new Stripe("sk_test_bench");
const utf8 = new TextDecoder("utf-8", { fatal: true });
const toleranceMs = 300_000;
report(
  "HMAC",
  costOf(({ payload }) => createHmac("sha256", SECRET).update(`${at}.`).update(payload).digest()),
);
report(
  "signature check with HMAC",
  costOf(({ payload, header }) =>
    verifySignature({ payload, header, secrets: [SECRET], toleranceMs, now: at * 1_000 }),
  ),
);
report(
  "JSON parsing",
  costOf(({ payload }) => parseEnvelope(JSON.parse(utf8.decode(payload)))),
);
report(
  "constructEvent of the Stripe SDK",
  costOf(({ payload, header }) => stripe.webhooks.constructEvent(payload, header, SECRET)),
);

let rowsMade = 0;

function nextRow(): InboxEvent {
  rowsMade += 1;
  return {
    eventId: `evt_${rowsMade}`,
    type: "customer.subscription.updated",
    objectId: `sub_${rowsMade}`,
    lane: `cus_${rowsMade}`,
    eventCreatedAt: at,
  };
}

await onBothStores(async (name, url) => {
  const store = openStore({ url, mode: "test" });
  await store.migrate();
  for (const size of [1, BATCH]) {
    const took: number[] = [];
    for (let commit = 0; commit < COMMITS; commit += 1) {
      const rows = Array.from({ length: size }, () => nextRow());
      const startedAt = performance.now();
      await store.inbox.add(rows, at);
      took.push(performance.now() - startedAt);
    }
    report(`commit of ${size} ${size === 1 ? "event" : "events"}`, (percentile(took, 0.5) * 1_000) / size, name);
  }
  await store.close();
});
writeResult("webhook-endpoint-steps", figures);
