/** What no client of Stripe's would send: it is refused as Stripe refuses it, and leaves nothing behind. */
import { expect, test } from "vitest";
import type { Emulator } from "../src/index.ts";
import { books } from "./support/books.ts";
import { createSdk, subscriber } from "./support/sdk.ts";

const FORM = "application/x-www-form-urlencoded";

async function stocked() {
  const sdk = createSdk();
  const { price, customer, product } = await subscriber(sdk.stripe);
  const subscription = await sdk.stripe.subscriptions.create({ customer: customer.id, items: [{ price: price.id }] });
  return { ...sdk, price, customer, product, subscription };
}

interface Asked {
  method?: "GET" | "POST" | "DELETE";
  body?: string | Uint8Array<ArrayBuffer>;
  key?: string | null;
  type?: string;
}

async function ask(
  emulator: Emulator,
  path: string,
  { method = "POST", body, key = "sk_test_123", type = FORM }: Asked,
) {
  const response = await emulator.fetch(
    new Request(`http://stripe.test${path}`, {
      method,
      headers: { "content-type": type, ...(key !== null && { authorization: `Bearer ${key}` }) },
      ...(body !== undefined && { body }),
    }),
  );
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

interface Refused {
  status?: number;
  type?: string;
  code?: string;
  param?: string;
}

const NAME = "/v1/customers";
const METHODS = "/v1/payment_methods";
const unknown = (param: string): Refused => ({ code: "parameter_unknown", param });
const integer = (param: string): Refused => ({ code: "parameter_invalid_integer", param });

test.each<[what: string, path: string, asked: Asked, refused: Refused]>([
  ["a name without an end", NAME, { body: "name[=Ada" }, { param: "name" }],
  ["a name that is empty", NAME, { body: "=Ada" }, unknown("")],
  ["a percent sign alone", NAME, { body: "name=100%" }, {}],
  ["a percent sign and no number", NAME, { body: "name=%zz" }, {}],
  ["percent-encoded bytes that are no UTF-8", NAME, { body: "name=%ff%fe" }, {}],
  ["bytes that are no UTF-8", NAME, { body: new Uint8Array([0x6e, 0x61, 0x6d, 0x65, 0x3d, 0xff]) }, {}],
  ["a null byte", NAME, { body: "name=a%00b" }, { code: "invalid_characters", param: "name" }],
  ["a thousand levels", NAME, { body: `metadata${"[a]".repeat(1_000)}=b` }, {}],
  ["thousands of parameters", NAME, { body: Array.from({ length: 3_000 }, (_, at) => `a${at}=1`).join("&") }, {}],
  ["a hash for a text", NAME, { body: "name[a]=b" }, { param: "name" }],
  ["a list for a text", NAME, { body: "name[]=b" }, { param: "name" }],
  ["a text for a hash", NAME, { body: "address=here" }, { param: "address" }],
  ["a text for a list", NAME, { body: "preferred_locales=en" }, { param: "preferred_locales" }],
  ["a text that is a hash further on", NAME, { body: "metadata=&metadata[a]=b" }, { param: "metadata" }],
  ["a hash inside metadata", NAME, { body: "metadata[a][b]=c" }, {}],
  ["__proto__", NAME, { body: "__proto__[admin]=1" }, unknown("__proto__[admin]")],
  ["__proto__ in metadata", NAME, { body: "metadata[__proto__]=1" }, unknown("metadata[__proto__]")],
  ["constructor", NAME, { body: "constructor=1" }, unknown("constructor")],
  ["toString", NAME, { body: "toString=1" }, unknown("toString")],
  ["constructor inside a hash", NAME, { body: "address[constructor]=1" }, unknown("address[constructor]")],
  ["JSON", NAME, { body: '{"name":"Ada"}', type: "application/json" }, {}],
  ["a form of many parts", NAME, { body: "--x--", type: "multipart/form-data; boundary=x" }, {}],
  ["text", NAME, { body: "name=Ada", type: "text/plain" }, {}],
  ["JSON that says it is a form", NAME, { body: '{"name":"Ada"}' }, unknown('{"name":"Ada"}')],
  ["a long text", NAME, { body: `name=${"a".repeat(5_001)}` }, { param: "name" }],
  ["megabytes", NAME, { body: `name=${"a".repeat(2_000_000)}` }, { status: 413 }],
  ["a long key of metadata", NAME, { body: `metadata[${"k".repeat(41)}]=v` }, { param: `metadata[${"k".repeat(41)}]` }],
  ["a long value of metadata", NAME, { body: `metadata[k]=${"v".repeat(501)}` }, { param: "metadata[k]" }],
  [
    "51 keys of metadata",
    NAME,
    { body: Array.from({ length: 51 }, (_, at) => `metadata[k${at}]=v`).join("&") },
    { param: "metadata" },
  ],
  ["no email", NAME, { body: "email=ada" }, { code: "email_invalid", param: "email" }],
  ["a number that is none", NAME, { body: "balance=NaN" }, integer("balance")],
  ["an infinite number", NAME, { body: "balance=Infinity" }, integer("balance")],
  ["a number with a fraction", NAME, { body: "balance=1.5" }, integer("balance")],
  ["a number in powers of ten", NAME, { body: "balance=1e3" }, integer("balance")],
  ["a huge number", NAME, { body: `balance=${"9".repeat(30)}` }, integer("balance")],
  [
    "somebody else's test clock",
    NAME,
    { body: "test_clock=clock_1" },
    { code: "resource_missing", param: "test_clock" },
  ],
  ["a negative price", "/v1/prices", { body: "currency=usd&product=prod_1&unit_amount=-1" }, integer("unit_amount")],
  [
    "a currency that is none",
    "/v1/prices",
    { body: "currency=dollars&product=p&unit_amount=1" },
    { param: "currency" },
  ],
  ["a negative amount", "/v1/payment_intents", { body: "amount=-1&currency=usd" }, integer("amount")],
  [
    "a small amount",
    "/v1/payment_intents",
    { body: "amount=49&currency=usd" },
    { code: "amount_too_small", param: "amount" },
  ],
  [
    "an amount beyond what can be charged",
    "/v1/payment_intents",
    { body: "amount=100000000&currency=usd" },
    { code: "amount_too_large", param: "amount" },
  ],
  [
    "a payment's currency that is none",
    "/v1/payment_intents",
    { body: "amount=100&currency=x" },
    { param: "currency" },
  ],
  ["a boolean that is none", "/v1/products", { body: "name=a&active=maybe" }, { param: "active" }],
  ["no name", "/v1/products", { body: "" }, { code: "parameter_missing", param: "name" }],
  ["an empty name", "/v1/products", { body: "name=" }, { code: "parameter_invalid_empty", param: "name" }],
  [
    "no real test card",
    METHODS,
    { body: "type=card&card[number]=4111111111111112&card[exp_month]=1&card[exp_year]=2030" },
    { status: 402, type: "card_error", code: "incorrect_number" },
  ],
  ["an unknown type", METHODS, { body: "type=gold" }, { param: "type" }],
  ["an empty type", "/v1/tax_ids", { body: "type=&value=1" }, { code: "parameter_invalid_empty", param: "type" }],
  ["limit 0", `${NAME}?limit=0`, { method: "GET" }, integer("limit")],
  ["limit 101", `${NAME}?limit=101`, { method: "GET" }, integer("limit")],
  ["a limit that is none", `${NAME}?limit=ten`, { method: "GET" }, integer("limit")],
  [
    "both cursors",
    `${NAME}?starting_after=cus_1&ending_before=cus_2`,
    { method: "GET" },
    { code: "parameters_exclusive", param: "ending_before" },
  ],
  [
    "a cursor to nowhere",
    `${NAME}?starting_after=cus_1`,
    { method: "GET" },
    { code: "resource_missing", param: "starting_after" },
  ],
  ["an unknown parameter of a list", `${NAME}?colour=blue`, { method: "GET" }, unknown("colour")],
  ["no search query", `${NAME}/search`, { method: "GET" }, { code: "parameter_missing", param: "query" }],
  ["an unknown search field", `${NAME}/search?query=colour:'blue'`, { method: "GET" }, { param: "query" }],
  ["a search field of another resource", `${NAME}/search?query=status:'active'`, { method: "GET" }, { param: "query" }],
  ["a search query that is none", `${NAME}/search?query=email`, { method: "GET" }, { param: "query" }],
  ["AND with OR", `${NAME}/search?query=email:'a' AND name:'b' OR name:'c'`, { method: "GET" }, { param: "query" }],
  ["an unknown expand", `${NAME}?expand[]=data.colour`, { method: "GET" }, { code: "property_cannot_be_expanded" }],
  ["an expand of a text", `${NAME}?expand[]=data.email`, { method: "GET" }, { code: "property_cannot_be_expanded" }],
  [
    "an expand of a prototype",
    `${NAME}?expand[]=constructor`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  [
    "an expand of a method",
    `${NAME}?expand[]=data.toString`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  ["an expand that is a text", `${NAME}?expand=data.subscriptions`, { method: "GET" }, { param: "expand" }],
  [
    "an expand of five levels",
    `${NAME}?expand[]=data.subscriptions.data.latest_invoice.payments`,
    { method: "GET" },
    { code: "property_expansion_max_depth" },
  ],
  [
    "nobody's customer",
    `${NAME}/cus_nobody`,
    { method: "GET" },
    { status: 404, code: "resource_missing", param: "id" },
  ],
  [
    "a customer of a method's name",
    `${NAME}/constructor`,
    { method: "GET" },
    { status: 404, code: "resource_missing" },
  ],
  ["no key", NAME, { key: null }, { status: 401 }],
  ["a live key", NAME, { key: "sk_live_123" }, { status: 401 }],
  ["a publishable key", NAME, { key: "pk_test_123" }, { status: 401, code: "secret_key_required" }],
  ["a key that is none", NAME, { key: "sk_test_" }, { status: 401 }],
  ["a URL that Stripe does not have", "/v1/customer", { method: "GET" }, { status: 404 }],
  ["a URL with a slash too many", `${NAME}/`, { method: "GET" }, { status: 404 }],
  ["another method", NAME, { method: "DELETE" }, { status: 404 }],
])("%s is refused, and nothing is changed", async (_what, path, asked, { status = 400, type, ...refused }) => {
  const { emulator } = await stocked();
  const before = books(emulator);
  const answer = await ask(emulator, path, asked);
  expect(answer).toMatchObject({ status, body: { error: { type: type ?? "invalid_request_error", ...refused } } });
  expect(answer.body["error"]).toMatchObject({ message: expect.stringMatching(/\S/) });
  expect(books(emulator)).toEqual(before);
});

test("what is named or chosen in a change must be there, or nothing is changed", async () => {
  const { emulator, stripe, subscription } = await stocked();
  const paid = subscription.latest_invoice as string;
  const before = books(emulator);
  const at = `/v1/subscriptions/${subscription.id}`;
  const refused = async (path: string, asked: Asked) => (await ask(emulator, path, asked)).body["error"];
  expect(await refused(at, { body: "metadata[a]=b&default_tax_rates[0]=txr_1" })).toMatchObject({
    code: "resource_missing",
    param: "default_tax_rates[0]",
  });
  expect(await refused(`${at}?cancellation_details[feedback]=bored`, { method: "DELETE" })).toMatchObject({
    param: "cancellation_details[feedback]",
  });
  expect(await refused(at, { body: "metadata[a]=b&items[0][price]=price_1" })).toMatchObject({
    code: "resource_missing",
  });
  expect(await refused(`/v1/invoices/${paid}/finalize`, { body: "auto_advance=true" })).toMatchObject({
    type: "invalid_request_error",
  });
  expect(books(emulator)).toEqual(before);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

test("an account sees nothing of another's", async () => {
  const { emulator, customer, price } = await stocked();
  const key = "sk_test_other";
  const seen = await ask(emulator, `/v1/customers/${customer.id}`, { method: "GET", key });
  expect(seen).toMatchObject({ status: 404, body: { error: { code: "resource_missing", param: "id" } } });
  const used = await ask(emulator, "/v1/subscriptions", {
    body: `customer=${customer.id}&items[0][price]=${price.id}`,
    key,
  });
  expect(used).toMatchObject({ status: 400, body: { error: { code: "resource_missing", param: "customer" } } });
});
