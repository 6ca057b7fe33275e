/**
 * Serves an emulated Stripe account with many subscriptions and slow responses: `node bench/backfill-stripe.ts PORT COUNT MS`.
 * This program runs as a child process of bench/backfill.ts.
 */
import { serve } from "@hono/node-server";
import { createEmulator } from "../packages/emulator/src/index.ts";
import { fillAccount } from "./account.ts";

const [port, count, latencyMs] = process.argv.slice(2).map(Number) as [number, number, number];
const STRIPE = `http://127.0.0.1:${port}`;

const emulator = createEmulator({ startAt: Date.UTC(2026, 0, 1), baseUrl: STRIPE });

await fillAccount(emulator, { subscriptions: count, seconds: (count / 50) * 60 });
serve({
  port,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    await new Promise((resolve) => setTimeout(resolve, latencyMs));
    return emulator.fetch(request);
  },
});
process.send?.("ready");
