/** Replays the requests of a recorded scenario against the emulator, and compares each response with the recorded response. */
import { createEmulator, type Emulator } from "../../src/index.ts";
import { compareResponses, type Difference, type IdPairs } from "../../src/verify/compare.ts";
import type { Recording } from "./recording.ts";

export interface Replayed {
  recording: Recording;
  /** The status of the emulator's response. */
  status: number;
  /** The message of the emulator's error; null for a success. */
  error: string | null;
  /** The differences of the bodies; empty if the statuses differ. */
  differences: Difference[];
}

interface Replay {
  emulator: Emulator;
  /** Maps each recorded ID to the emulator's ID of the same object. */
  pairs: IdPairs;
  /** All objects in all recordings. */
  catalog: readonly Row[];
  /** The bodies of all requests of the scenario. */
  requests: string;
}

type Row = Record<string, unknown>;

const KEY = "sk_test_replay";
const CUSTOMER_OR_CARD = /(?<![A-Za-z0-9_])(?:cus|pm)_[A-Za-z0-9]{8,}/g;

/**
 * Replays one scenario. The emulator's clock follows the times of the recording. `catalog` contains all objects of all
 * recordings of the account.
 */
export async function replay(recordings: readonly Recording[], catalog: readonly Row[]): Promise<Replayed[]> {
  const startAt = Math.min(...recordings.map(timeOf).filter((at) => at !== null), FALLBACK_START);
  const emulator = createEmulator({ startAt: startAt * 1_000, onWarning: () => {} });
  const requests = recordings.map(({ request }) => request).join(" ");
  const context: Replay = { emulator, pairs: new Map(), catalog, requests };
  await createCatalog(context);
  const replayed: Replayed[] = [];
  for (const recording of recordings) {
    await advanceTo(emulator, timeOf(recording));
    await createMissingObjects(context, recording);
    const { status, body } = await send(context, recording.method, recording.path, recording.request);
    const error = (body["error"] as { message?: string } | undefined)?.message ?? null;
    const differences = status === recording.status ? compareResponses(recording.body, body, context.pairs) : [];
    replayed.push({ recording, status, error, differences });
  }
  return replayed;
}

const FALLBACK_START = Date.UTC(2026, 0, 1) / 1_000;

/** Returns the time at which the recorded response was created, if the body shows it. */
function timeOf({ method, body }: Recording): number | null {
  const { created } = body;
  return method.toLowerCase() === "post" && typeof created === "number" && isOwn(body) ? created : null;
}

/** Returns whether the request itself created the object. A later request can return an object that is much older. */
function isOwn(body: Row): boolean {
  return body["object"] !== "payment_method" || body["customer"] === null;
}

async function advanceTo(emulator: Emulator, at: number | null): Promise<void> {
  const seconds = at === null ? 0 : at - emulator.now() / 1_000;
  if (seconds > 0) await emulator.advance(seconds);
}

interface Sent {
  status: number;
  body: Row;
}

async function send({ emulator, pairs }: Replay, method: string, path: string, request: string): Promise<Sent> {
  const translate = (text: string) => text.replaceAll(/(?:[a-z]+_)+[A-Za-z0-9]{6,}/g, (id) => pairs.get(id) ?? id);
  const verb = method.toUpperCase();
  const response = await emulator.fetch(
    new Request(`http://stripe.test${translate(path)}`, {
      method: verb,
      headers: { authorization: `Bearer ${KEY}`, "content-type": "application/x-www-form-urlencoded" },
      ...(verb === "POST" && { body: translate(request) }),
    }),
  );
  return { status: response.status, body: (await response.json()) as Row };
}

async function create(context: Replay, path: string, params: Record<string, unknown>): Promise<Row> {
  const given = Object.entries(params).filter(([, value]) => value !== null && value !== undefined);
  const form = new URLSearchParams(Object.fromEntries(given.map(([name, value]) => [name, String(value)]))).toString();
  return (await send(context, "post", path, form)).body;
}

/** Creates the products, prices and coupons that the recorded account had before the scenario. */
async function createCatalog(context: Replay): Promise<void> {
  const rows = context.catalog;
  for (const plan of distinct(rows, "plan")) {
    const price = rows.find((row) => row["object"] === "price" && row["id"] === plan["id"]);
    await createPlan(context, plan, price);
  }
  for (const { id, duration, name, percent_off, amount_off, currency } of distinct(rows, "coupon"))
    await create(context, "/v1/coupons", { id, duration, name, percent_off, amount_off, currency });
  for (const line of rows.filter((row) => row["object"] === "line_item")) await createPriceOf(context, line);
}

/** Returns the objects of one type, without repeated IDs. */
function distinct(rows: readonly Row[], type: string): Row[] {
  return [...new Map(rows.filter((row) => row["object"] === type).map((row) => [row["id"], row])).values()];
}

async function createPlan(context: Replay, plan: Row, price: Row | undefined): Promise<void> {
  const { id, product, currency, interval, interval_count, amount, nickname } = plan;
  const name = String(product).startsWith("prod_") ? "Test Subscription" : product;
  await create(context, "/v1/products", { id: product, name, unit_label: "user" });
  const terms = { product, currency, interval, interval_count, amount, nickname };
  // An ID that Stripe made can't be chosen.
  const made = await create(context, "/v1/plans", String(id).startsWith("price_") ? terms : { ...terms, id });
  context.pairs.set(String(id), String(made["id"]));
  if (price && price["tax_behavior"] !== "unspecified")
    await create(context, `/v1/prices/${String(made["id"])}`, { tax_behavior: price["tax_behavior"] });
}

/** Creates the one-time price of an invoice line, if a request names the price. */
async function createPriceOf(context: Replay, line: Row): Promise<void> {
  const pricing = line["pricing"] as { price_details?: { price: string }; unit_amount_decimal?: string } | null;
  const id = pricing?.price_details?.price;
  if (!pricing || id === undefined || context.pairs.has(id) || !context.requests.includes(id)) return;
  const product = await create(context, "/v1/products", { name: line["description"] });
  const price = await create(context, "/v1/prices", {
    product: product["id"],
    currency: line["currency"],
    unit_amount_decimal: pricing.unit_amount_decimal,
  });
  context.pairs.set(id, String(price["id"]));
}

/** Creates the customers and cards that a request names, if the scenario contains no request that created them. */
async function createMissingObjects(context: Replay, recording: Recording): Promise<void> {
  if (recording.status !== 200) return;
  const names = `${recording.path} ${decodeURIComponent(recording.request)}`.match(CUSTOMER_OR_CARD) ?? [];
  for (const id of names.filter((one) => !context.pairs.has(one) && !one.startsWith("pm_card_"))) {
    const made = await createMissing(context, id, recording);
    if (typeof made?.["id"] === "string") context.pairs.set(id, made["id"]);
  }
}

async function createMissing(context: Replay, id: string, { path, body }: Recording): Promise<Row | null> {
  if (id.startsWith("cus_")) {
    const known = body["object"] === "customer" ? body : { email: "stripe@example.org", name: "Stripe User" };
    return create(context, "/v1/customers", { email: known["email"], name: known["name"] });
  }
  const customer = context.pairs.get(path.split("/").at(-1) ?? "");
  return customer === undefined ? null : create(context, "/v1/payment_methods/pm_card_visa/attach", { customer });
}
