/** Makes an emulated Stripe account with many monthly subscriptions, and the options of a service for it. */
import type { Emulator } from "../packages/emulator/src/index.ts";
import { definePlans, lookupKey, type TollkeeperOptions } from "../packages/tollkeeper/src/index.ts";
import {
  createStripeClient,
  createTestGateway,
  emulatorOptions,
  listAll as listAllRows,
  pushTestPlans,
  type StripeClient,
  type StripeRow,
} from "../packages/tollkeeper/src/testing/harness/index.ts";

export interface AccountSize {
  subscriptions: number;
  /** Virtual seconds over which the creation of the subscriptions is spread. */
  seconds: number;
}

/** Number of times that the benchmark moves the virtual clock while it creates the subscriptions. */
const STEPS = 400;
const PROGRESS_EVERY = 10_000;

export const BENCH_METRICS_TOKEN = "bench-metrics-token";
const PLANS = definePlans([
  {
    id: "premium",
    name: "Premium",
    features: ["all"],
    prices: [{ interval: "month", amount: 900, currency: "usd" }],
  },
]);

/** Returns a client of the emulator that throws if the status of a response is not 200. */
function strictClient({ fetch }: Emulator): StripeClient {
  const stripe = createStripeClient({ fetch });
  return async (method, path, params) => {
    const response = await stripe(method, path, params);
    if (response.status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(response.body)}`);
    return response;
  };
}

/** Sends a request to the emulator. Throws if the status of the emulator's response is not 200. */
export async function ask(
  emulator: Emulator,
  method: "GET" | "POST" | "DELETE",
  path: string,
  params: Record<string, string> = {},
): Promise<StripeRow> {
  return (await strictClient(emulator)(method, path, params)).body as StripeRow;
}

/** Returns all objects that the emulator lists at one path, from all pages. */
export function listAll<Row extends { id: string } = StripeRow>(
  emulator: Emulator,
  path: string,
  params: Record<string, string> = {},
): Promise<Row[]> {
  return listAllRows<Row>(strictClient(emulator), path, params);
}

/** Creates the product and the price of the plan "premium". Returns the id of the created price. */
export async function sellPremium(emulator: Emulator): Promise<string> {
  await pushTestPlans(createTestGateway(emulator), PLANS, emulator.now);
  const [price] = await listAll(emulator, "/v1/prices", { "lookup_keys[0]": lookupKey("premium", "month") });
  if (!price) throw new Error("The price was not created.");
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
    if (index % PROGRESS_EVERY === PROGRESS_EVERY - 1) console.error(`${index + 1} subscriptions created`);
  }
}

/** Returns the options of a service that works with the emulated account, with the default retries and limits. */
export function benchOptions({ stripe, databaseUrl }: { stripe: string; databaseUrl: string }): TollkeeperOptions {
  return {
    ...emulatorOptions(PLANS),
    stripeNetworkRetries: undefined,
    stripeRequestsPerSecond: undefined,
    stripeApiBase: stripe,
    databaseUrl,
    appUrl: "http://127.0.0.1",
    authenticate: () => null,
    logLevel: "silent",
  };
}
