/** Sends random requests to every operation. No random request may cause a 500, and a rejected request must change nothing. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import type { Emulator } from "../src/index.ts";
import { accountData } from "./support/account-data.ts";
import { createSdk, DAY, subscriber } from "./support/sdk.ts";

type Shape =
  | string
  | { enum: (string | number | boolean)[] }
  | { any: Shape[] }
  | { array: Shape }
  | { map: Shape }
  | { ref: string }
  | { fields: Fields }
  | { optional: Shape };
type Fields = Record<string, Shape>;

interface Operation {
  method: "GET" | "POST" | "DELETE";
  path: string;
  params?: Shape | null;
}

const { operations, definitions } = JSON.parse(
  readFileSync(new URL("../src/schema/operations.json", import.meta.url), "utf8"),
) as { operations: Operation[]; definitions: Record<string, Fields> };
/**
 * Generates random API operations. The emulator supports most of the generated operations, and rejects the rest.
 */
const anyOperation = fc.oneof(
  { weight: 19, arbitrary: fc.constantFrom(...operations.filter(({ params }) => params !== undefined)) },
  { weight: 1, arbitrary: fc.constantFrom(...operations.filter(({ params }) => params === undefined)) },
);

type Pairs = [name: string, value: string][];

const junk = fc.constantFrom(
  "",
  "0",
  "-1",
  "true",
  "null",
  "NaN",
  "💥",
  "a".repeat(6_000),
  "999999999999999",
  "1e9",
  "__proto__",
);
const texts = fc.oneof(
  fc.constantFrom("usd", "eur", "a", "Ada", "ada@example.com", "https://example.com/a", "pm_card_visa", "now", "max"),
  fc.constantFrom("pm_card_chargeDeclined", "pm_card_authenticationRequired", "pm_card_chargeCustomerFail", "tok_visa"),
);
const integers = fc.constantFrom(
  "0",
  "1",
  "2",
  "5",
  "31",
  "50",
  "999",
  "2500",
  "-1",
  "1769860800",
  "1772539200",
  "1900000000",
  "99999999",
  "999999999999999",
);

/**
 * Generates random parameter values. Most generated parameter values have the right type, so that many random requests pass
 * validation.
 */
function pairsOf(shape: Shape, name: string, ids: fc.Arbitrary<string>, depth: number): fc.Arbitrary<Pairs> {
  const one = (values: fc.Arbitrary<string>) =>
    fc.oneof({ weight: 12, arbitrary: values }, { weight: 1, arbitrary: junk }).map((value): Pairs => [[name, value]]);
  if (typeof shape === "string") {
    if (shape === "boolean") return one(fc.constantFrom("true", "false"));
    if (shape === "integer") return one(integers);
    if (shape === "number" || shape === "decimal") return one(fc.constantFrom("0", "10", "12.5", "100", "-3"));
    return shape === "null" ? fc.constant([[name, ""]]) : one(fc.oneof({ weight: 2, arbitrary: ids }, texts));
  }
  if ("optional" in shape) return pairsOf(shape.optional, name, ids, depth);
  if ("enum" in shape) return one(fc.constantFrom(...shape.enum.map(String)));
  if ("any" in shape) return fc.oneof(...shape.any.map((inner) => pairsOf(inner, name, ids, depth)));
  if (depth > 3) return fc.constant([]);
  if ("array" in shape)
    return fc
      .tuple(pairsOf(shape.array, `${name}[0]`, ids, depth + 1), pairsOf(shape.array, `${name}[1]`, ids, depth + 1))
      .chain(([first, second]) => fc.constantFrom(first, [...first, ...second]));
  if ("map" in shape) return pairsOf(shape.map, `${name}[key]`, ids, depth + 1);
  return fieldPairs("ref" in shape ? (definitions[shape.ref] ?? {}) : shape.fields, name, ids, depth + 1);
}

/** Generates random parameters of an API operation, with nearly all required fields and a few optional fields. */
function fieldPairs(fields: Fields, name: string, ids: fc.Arbitrary<string>, depth: number): fc.Arbitrary<Pairs> {
  const at = (field: string) => (name === "" ? field : `${name}[${field}]`);
  const names = Object.keys(fields);
  const needed = names.filter((field) => !isOptional(fields[field]));
  if (names.length === 0) return fc.constant([]);
  return fc
    .tuple(fc.subarray(names, { maxLength: Math.min(4, names.length) }), fc.integer({ min: 0, max: 9 }))
    .chain(([some, chance]) => {
      const chosen = [...new Set([...(chance === 0 ? [] : needed), ...some])].filter((field) => field !== "expand");
      return fc
        .tuple(...chosen.map((field) => pairsOf(fields[field] ?? "string", at(field), ids, depth)))
        .map((all) => all.flat());
    });
}

function isOptional(shape: Shape | undefined): boolean {
  return typeof shape === "object" && "optional" in shape;
}

interface Wanted {
  method: string;
  path: string;
  pairs: Pairs;
}

function requests(emulator: Emulator): fc.Arbitrary<Wanted> {
  const tables = Object.entries(emulator.snapshot().accounts.get("123")?.tables ?? {});
  const all = tables.flatMap(([, rows]) => [...(rows as Map<string, object>).keys()]);
  const ids = fc.constantFrom("cus_nobody", ...all);
  const idsIn = (collection: string) => {
    const own = tables.find(([name]) => `${name.replace(/^.*\./, "")}s` === collection)?.[1] as
      | Map<string, object>
      | undefined;
    return own && own.size > 0 ? fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...own.keys()) }, ids) : ids;
  };
  return anyOperation.chain(({ method, path, params }) => {
    const parts = path.split("/");
    const filled = fc
      .tuple(...parts.map((part, at) => (part.startsWith(":") ? idsIn(parts[at - 1] ?? "") : fc.constant(part))))
      .map((chosen) => chosen.join("/"));
    const fields = params == null ? fc.constant<Pairs>([]) : pairsOf(params, "", ids, 0);
    const extra = fc.oneof(
      { weight: 9, arbitrary: fc.constant<Pairs>([]) },
      fc.tuple(junk, junk).map((pair): Pairs => [pair]),
    );
    return fc
      .tuple(filled, fields, extra)
      .map(([at, pairs, more]) => ({ method, path: at, pairs: [...pairs, ...more] }));
  });
}

async function stocked(): Promise<Emulator> {
  const { emulator, stripe } = createSdk();
  const { price, customer } = await subscriber(stripe);
  const subscription = await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  await stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }], trial_period_days: 10 });
  await stripe.invoiceItems.create({ customer: customer.id, amount: 500, currency: "usd" });
  await stripe.invoices.create({ customer: customer.id });
  await stripe.coupons.create({ percent_off: 20, id: "twenty" });
  await stripe.promotionCodes.create({ promotion: { type: "coupon", coupon: "twenty" }, code: "TWENTY" });
  await stripe.paymentIntents.create({
    amount: 900,
    currency: "usd",
    customer: customer.id,
    confirm: true,
    payment_method: "pm_card_visa",
  });
  await stripe.paymentIntents.create({
    amount: 900,
    currency: "usd",
    capture_method: "manual",
    confirm: true,
    payment_method: "pm_card_visa",
  });
  await stripe.setupIntents.create({ customer: customer.id });
  await stripe.checkout.sessions.create({
    mode: "subscription",
    customer: customer.id,
    line_items: [{ price: price.id, quantity: 1 }],
    success_url: "https://example.com/ok",
  });
  await stripe.billingPortal.sessions.create({ customer: customer.id });
  await stripe.taxRates.create({ display_name: "VAT", percentage: 19, inclusive: false });
  await stripe.subscriptions.retrieve(subscription.id);
  return emulator;
}

/**
 * The generator of random requests uses this seed by default. Every test run sends the same requests unless FUZZ_SEED or
 * FUZZ_RUNS is set.
 */
const seed = Number(process.env["FUZZ_SEED"] ?? 1);
const numRuns = Number(process.env["FUZZ_RUNS"] ?? 150);

test(
  "random requests never cause a 500 or inconsistent data, and rejected requests change nothing",
  { timeout: 120_000 + numRuns * 100 },
  async () => {
    const base = await stocked();
    await fc.assert(
      fc.asyncProperty(fc.array(requests(base), { minLength: 1, maxLength: 6 }), async (wanted) => {
        const emulator = base.fork();
        for (const { method, path, pairs } of wanted) {
          const form = new URLSearchParams(pairs).toString();
          const before = accountData(emulator);
          const response = await emulator.fetch(
            new Request(`http://stripe.test${path}${method === "POST" || form === "" ? "" : `?${form}`}`, {
              method,
              headers: { authorization: "Bearer sk_test_123", "content-type": "application/x-www-form-urlencoded" },
              ...(method === "POST" && { body: form }),
            }),
          );
          const answer = (await response.json()) as { error?: { type: string; message: string } };
          expect(response.status < 500 || response.status === 501, answer.error?.message).toBe(true);
          expect(answer.error === undefined).toBe(response.status === 200);
          // A declined payment emits events, so a request with the response 402 may change the account's data.
          const mayChange = response.status === 200 || response.status === 402;
          expect(mayChange || isDeepStrictEqual(accountData(emulator), before), `${method} ${path} left a trace`).toBe(
            true,
          );
        }
        expect(emulator.audit()).toEqual([]);
        await emulator.advance(40 * DAY);
        expect(emulator.audit()).toEqual([]);
      }),
      { seed, numRuns },
    );
  },
);
