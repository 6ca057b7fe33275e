/**
 * Runs one webhook endpoint: `node bench/webhook-endpoint-server.ts KIND PORT SECRET DATABASE_URL`. This program runs as a
 * child process of bench/webhook-endpoint.ts and bench/memory.ts.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import { devNull } from "node:os";
import express from "express";
import pg from "pg";
import { pino } from "pino";
import Stripe from "stripe";
import { listen } from "../packages/tollkeeper/src/http/listen.ts";
import { createTollkeeper, toNodeHandler } from "../packages/tollkeeper/src/index.ts";
import { benchOptions } from "./account.ts";

/** The message that this process sends in reply to any message of its parent process. */
export interface Usage {
  memory: NodeJS.MemoryUsage;
  /** Processor time of the process since its start, in microseconds. */
  cpu: NodeJS.CpuUsage;
}

const [kind = "", port = "0", secret = "", databaseUrl = ""] = process.argv.slice(2);

/**
 * Starts a server that only checks the signature. No webhook endpoint can be faster than a server that only checks the
 * signature.
 */
function verifyOnly(): void {
  createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const header = String(request.headers["stripe-signature"]);
      const [, t = "", v1 = ""] = /^t=(\d+),v1=(\w+)$/.exec(header) ?? [];
      const digest = createHmac("sha256", secret).update(`${t}.`).update(Buffer.concat(chunks)).digest();
      const genuine = timingSafeEqual(digest, Buffer.from(v1, "hex"));
      response.writeHead(genuine ? 200 : 400, { "content-type": "application/json" }).end('{"status":"accepted"}');
    });
  }).listen(Number(port), "127.0.0.1", ready);
}

/** Starts a server with the usual handler: Express, the SDK's signature check, and one upsert per event. */
async function naive(): Promise<void> {
  const pool = new pg.Pool({ connectionString: databaseUrl });
  await pool.query("create table if not exists naive_subscriptions (id text primary key, status text, body text)");
  const stripe = new Stripe("sk_test_bench");
  const app = express();
  app.post("/stripe/webhook", express.raw({ type: "application/json" }), async (request, response) => {
    const event = stripe.webhooks.constructEvent(
      request.body as Buffer,
      request.headers["stripe-signature"] ?? "",
      secret,
    );
    const object = event.data.object as { id: string; status?: string };
    await pool.query(
      "insert into naive_subscriptions (id, status, body) values ($1, $2, $3) on conflict (id) do update set status = $2, body = $3",
      [object.id, object.status ?? null, JSON.stringify(object)],
    );
    response.json({ received: true });
  });
  app.listen(Number(port), "127.0.0.1", ready);
}

/** Starts the whole service, with routing, limits and logs, but without the worker. */
async function ours(): Promise<void> {
  const tollkeeper = createTollkeeper({
    ...benchOptions({ stripe: "http://127.0.0.1:1", databaseUrl }),
    stripeWebhookSecrets: [secret],
    runWorker: false,
    log: pino({ level: "info" }, pino.destination(devNull)),
  });
  await tollkeeper.start();
  await listen(toNodeHandler(tollkeeper), { port: Number(port), host: "127.0.0.1", portName: "PORT" });
  ready();
}

function ready(): void {
  process.send?.("ready");
}

process.on("SIGINT", () => process.exit(0));
process.on("message", () => process.send?.({ memory: process.memoryUsage(), cpu: process.cpuUsage() } satisfies Usage));
if (kind === "verify") verifyOnly();
else if (kind === "naive") await naive();
else await ours();
