/** An account full of subscriptions, far away: a child of bench/backfill.ts, `node bench/backfill-stripe.ts PORT COUNT MS`. */
import { serve } from "@hono/node-server";
import { createEmulator } from "../src/emulator/index.ts";

const [port, count, answerMs] = process.argv.slice(2).map(Number) as [number, number, number];
const STRIPE = `http://127.0.0.1:${port}`;
const HEADERS = { authorization: "Bearer sk_test_bench", "content-type": "application/x-www-form-urlencoded" };

const emulator = createEmulator({ startAt: Date.UTC(2026, 0, 1), baseUrl: STRIPE });

async function ask(method: string, path: string, params: Record<string, string> = {}): Promise<{ id: string }> {
  const body = method === "POST" ? { body: new URLSearchParams(params) } : {};
  const response = await emulator.fetch(new Request(`${STRIPE}${path}`, { method, headers: HEADERS, ...body }));
  const answer = (await response.json()) as { id: string };
  if (response.status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

async function fillAccount(): Promise<void> {
  const product = await ask("POST", "/v1/products", { name: "Premium", "metadata[tollkeeper_plan]": "premium" });
  const price = await ask("POST", "/v1/prices", {
    product: product.id,
    unit_amount: "900",
    currency: "usd",
    "recurring[interval]": "month",
  });
  for (let index = 0; index < count; index += 1) {
    const customer = await ask("POST", "/v1/customers", { "metadata[auth0_user_id]": `user${index}` });
    const card = await ask("POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customer.id });
    await ask("POST", "/v1/subscriptions", {
      customer: customer.id,
      default_payment_method: card.id,
      "items[0][price]": price.id,
    });
    if (index % 50 === 0) await emulator.advance(60);
  }
}

await fillAccount();
serve({
  port,
  hostname: "127.0.0.1",
  fetch: async (request) => {
    await new Promise((resolve) => setTimeout(resolve, answerMs));
    return emulator.fetch(request);
  },
});
process.send?.("ready");
