/** An emulator's account of many users with a monthly subscription, and a service for it: what several benches begin with. */
import type { Emulator } from "../packages/emulator/src/index.ts";
import { definePlans, type TollkeeperOptions } from "../packages/tollkeeper/src/index.ts";

export interface AccountSize {
  subscriptions: number;
  /** Over how much virtual time they are begun, in seconds. */
  seconds: number;
}

/** How often time goes on meanwhile. */
const STEPS = 400;
const PROGRESS_EVERY = 10_000;

const KEY = "sk_test_bench";
export const BENCH_METRICS_TOKEN = "the bench may read them";
const HEADERS = { authorization: `Bearer ${KEY}`, "content-type": "application/x-www-form-urlencoded" };

/** Asks as a developer would; throws where the answer is not 200. */
export async function ask(
  emulator: Emulator,
  method: "GET" | "POST" | "DELETE",
  path: string,
  params: Record<string, string> = {},
): Promise<{ id: string } & Record<string, unknown>> {
  const body = method === "POST" ? { body: new URLSearchParams(params) } : {};
  const request = new Request(`http://stripe.bench${path}`, { method, headers: HEADERS, ...body });
  const response = await emulator.fetch(request);
  const answer = (await response.json()) as { id: string } & Record<string, unknown>;
  if (response.status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** Every page of a list. */
export async function listAll<Row extends { id: string } = { id: string } & Record<string, unknown>>(
  emulator: Emulator,
  path: string,
  params: Record<string, string> = {},
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after = {}; ; after = { starting_after: rows.at(-1)?.id }) {
    const query = new URLSearchParams({ ...params, ...after, limit: "100" });
    const page = await ask(emulator, "GET", `${path}?${query.toString()}`);
    rows.push(...(page["data"] as Row[]));
    if (page["has_more"] !== true) return rows;
  }
}

/** Puts the plan's product and price into the account; answers the price's id. */
export async function sellPremium(emulator: Emulator): Promise<string> {
  const product = await ask(emulator, "POST", "/v1/products", {
    name: "Premium",
    "metadata[tollkeeper_plan]": "premium",
  });
  const price = await ask(emulator, "POST", "/v1/prices", {
    product: product.id,
    unit_amount: "900",
    currency: "usd",
    "recurring[interval]": "month",
    lookup_key: "premium_month",
  });
  return price.id;
}

export async function fillAccount(emulator: Emulator, { subscriptions, seconds }: AccountSize): Promise<void> {
  const price = await sellPremium(emulator);
  const each = Math.max(1, Math.round(subscriptions / STEPS));
  for (let index = 0; index < subscriptions; index += 1) {
    const customer = await ask(emulator, "POST", "/v1/customers", { "metadata[auth0_user_id]": `user${index}` });
    const card = await ask(emulator, "POST", "/v1/payment_methods/pm_card_visa/attach", { customer: customer.id });
    await ask(emulator, "POST", "/v1/subscriptions", {
      customer: customer.id,
      default_payment_method: card.id,
      "items[0][price]": price,
    });
    if (index % each === each - 1) await emulator.advance(Math.round((seconds * each) / subscriptions));
    if (index % PROGRESS_EVERY === PROGRESS_EVERY - 1) console.error(`${index + 1} subscriptions are begun`);
  }
}

/** A service on that account. */
export function benchOptions({ stripe, databaseUrl }: { stripe: string; databaseUrl: string }): TollkeeperOptions {
  return {
    plans: definePlans([
      {
        id: "premium",
        name: "Premium",
        features: ["all"],
        prices: [{ interval: "month", amount: 900, currency: "usd" }],
      },
    ]),
    stripeSecretKey: KEY,
    stripePublishableKey: "pk_test_bench",
    stripeWebhookSecrets: ["whsec_bench_secret"],
    stripeApiBase: stripe,
    databaseUrl,
    appUrl: "http://127.0.0.1",
    authenticate: () => null,
    logLevel: "silent",
  };
}
