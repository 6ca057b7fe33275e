/**
 * Runs the service with its worker: `node bench/renewals-service.ts PORT STRIPE SECRET DATABASE_URL`. This program runs as a
 * child process of bench/renewals.ts.
 */
import { devNull } from "node:os";
import { pino } from "pino";
import { listen } from "../packages/tollkeeper/src/http/listen.ts";
import { createTollkeeper, toNodeHandler } from "../packages/tollkeeper/src/index.ts";
import { BENCH_METRICS_TOKEN, benchOptions } from "./account.ts";

const [port = "0", stripe = "", secret = "", databaseUrl = ""] = process.argv.slice(2);

const tollkeeper = createTollkeeper({
  ...benchOptions({ stripe, databaseUrl }),
  stripeWebhookSecrets: [secret],
  // In live mode, the service sends at most 80 requests per second to Stripe by default.
  stripeRequestsPerSecond: 80,
  metricsToken: BENCH_METRICS_TOKEN,
  log: pino({ level: "info" }, pino.destination(devNull)),
});
await tollkeeper.start();
await listen(toNodeHandler(tollkeeper), { port: Number(port), host: "127.0.0.1", portName: "PORT" });
process.send?.("ready");
