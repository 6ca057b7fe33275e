/** Tests that invalid requests get Stripe's errors and change nothing. */
import { expect, test } from "vitest";
import type { Emulator } from "../src/index.ts";
import { accountData } from "./support/account-data.ts";
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
  ["a parameter name that lacks a closing bracket", NAME, { body: "name[=Ada" }, { param: "name" }],
  ["an empty parameter name", NAME, { body: "=Ada" }, unknown("")],
  ["a single percent sign", NAME, { body: "name=100%" }, {}],
  ["a percent sign before letters that are no hex number", NAME, { body: "name=%zz" }, {}],
  ["percent-encoded bytes that are not UTF-8", NAME, { body: "name=%ff%fe" }, {}],
  ["a body that is not UTF-8", NAME, { body: new Uint8Array([0x6e, 0x61, 0x6d, 0x65, 0x3d, 0xff]) }, {}],
  ["a null byte in a text", NAME, { body: "name=a%00b" }, { code: "invalid_characters", param: "name" }],
  ["a parameter nested a thousand levels deep", NAME, { body: `metadata${"[a]".repeat(1_000)}=b` }, {}],
  ["thousands of parameters", NAME, { body: Array.from({ length: 3_000 }, (_, at) => `a${at}=1`).join("&") }, {}],
  ["a hash instead of a text", NAME, { body: "name[a]=b" }, { param: "name" }],
  ["a list instead of a text", NAME, { body: "name[]=b" }, { param: "name" }],
  ["a text instead of a hash", NAME, { body: "address=here" }, { param: "address" }],
  ["a text instead of a list", NAME, { body: "preferred_locales=en" }, { param: "preferred_locales" }],
  ["a parameter that is both a text and a hash", NAME, { body: "metadata=&metadata[a]=b" }, { param: "metadata" }],
  ["a hash inside metadata", NAME, { body: "metadata[a][b]=c" }, {}],
  ["the parameter __proto__", NAME, { body: "__proto__[admin]=1" }, unknown("__proto__[admin]")],
  ["the metadata key __proto__", NAME, { body: "metadata[__proto__]=1" }, unknown("metadata[__proto__]")],
  ["the parameter constructor", NAME, { body: "constructor=1" }, unknown("constructor")],
  ["the parameter toString", NAME, { body: "toString=1" }, unknown("toString")],
  [
    "the parameter constructor inside a hash",
    NAME,
    { body: "address[constructor]=1" },
    unknown("address[constructor]"),
  ],
  ["a JSON body", NAME, { body: '{"name":"Ada"}', type: "application/json" }, {}],
  ["a multipart form body", NAME, { body: "--x--", type: "multipart/form-data; boundary=x" }, {}],
  ["a plain text body", NAME, { body: "name=Ada", type: "text/plain" }, {}],
  ["a JSON body and the content type of a form", NAME, { body: '{"name":"Ada"}' }, unknown('{"name":"Ada"}')],
  ["a text of more than 5,000 characters", NAME, { body: `name=${"a".repeat(5_001)}` }, { param: "name" }],
  ["a body of two megabytes", NAME, { body: `name=${"a".repeat(2_000_000)}` }, { status: 413 }],
  [
    "a metadata key of more than 40 characters",
    NAME,
    { body: `metadata[${"k".repeat(41)}]=v` },
    { param: `metadata[${"k".repeat(41)}]` },
  ],
  [
    "a metadata value of more than 500 characters",
    NAME,
    { body: `metadata[k]=${"v".repeat(501)}` },
    { param: "metadata[k]" },
  ],
  [
    "51 metadata keys",
    NAME,
    { body: Array.from({ length: 51 }, (_, at) => `metadata[k${at}]=v`).join("&") },
    { param: "metadata" },
  ],
  ["a text that is not an email address", NAME, { body: "email=ada" }, { code: "email_invalid", param: "email" }],
  [
    "an email without a top-level domain",
    NAME,
    { body: "email=ada@localhost" },
    { code: "email_invalid", param: "email" },
  ],
  [
    "an email with a full-width at sign",
    NAME,
    { body: `email=${encodeURIComponent("ada＠example.com")}` },
    { code: "email_invalid", param: "email" },
  ],
  ["a name of 257 characters", NAME, { body: `name=${"n".repeat(257)}` }, { param: "name" }],
  ["NaN instead of an integer", NAME, { body: "balance=NaN" }, integer("balance")],
  ["Infinity instead of an integer", NAME, { body: "balance=Infinity" }, integer("balance")],
  ["a fraction instead of an integer", NAME, { body: "balance=1.5" }, integer("balance")],
  ["an integer in exponent notation", NAME, { body: "balance=1e3" }, integer("balance")],
  ["an integer of 30 digits", NAME, { body: `balance=${"9".repeat(30)}` }, integer("balance")],
  [
    "a test clock that does not exist",
    NAME,
    { body: "test_clock=clock_1" },
    { code: "resource_missing", param: "test_clock" },
  ],
  [
    "a negative price amount",
    "/v1/prices",
    { body: "currency=usd&product=prod_1&unit_amount=-1" },
    integer("unit_amount"),
  ],
  [
    "an unknown price currency",
    "/v1/prices",
    { body: "currency=dollars&product=p&unit_amount=1" },
    { param: "currency" },
  ],
  ["a negative payment amount", "/v1/payment_intents", { body: "amount=-1&currency=usd" }, integer("amount")],
  [
    "a payment amount below the minimum",
    "/v1/payment_intents",
    { body: "amount=49&currency=usd" },
    { code: "amount_too_small", param: "amount" },
  ],
  [
    "a payment amount above the maximum",
    "/v1/payment_intents",
    { body: "amount=100000000&currency=usd" },
    { code: "amount_too_large", param: "amount" },
  ],
  ["an unknown payment currency", "/v1/payment_intents", { body: "amount=100&currency=x" }, { param: "currency" }],
  ["a text instead of a boolean", "/v1/products", { body: "name=a&active=maybe" }, { param: "active" }],
  ["a required parameter missing", "/v1/products", { body: "" }, { code: "parameter_missing", param: "name" }],
  [
    "an empty required parameter",
    "/v1/products",
    { body: "name=" },
    { code: "parameter_invalid_empty", param: "name" },
  ],
  [
    "a card number that is not a test card",
    METHODS,
    { body: "type=card&card[number]=4111111111111112&card[exp_month]=1&card[exp_year]=2030" },
    { status: 402, type: "card_error", code: "incorrect_number" },
  ],
  ["an unknown payment method type", METHODS, { body: "type=gold" }, { param: "type" }],
  [
    "an empty tax ID type",
    "/v1/tax_ids",
    { body: "type=&value=1" },
    { code: "parameter_invalid_empty", param: "type" },
  ],
  ["limit 0", `${NAME}?limit=0`, { method: "GET" }, integer("limit")],
  ["limit 101", `${NAME}?limit=101`, { method: "GET" }, integer("limit")],
  ["a limit that is not a number", `${NAME}?limit=ten`, { method: "GET" }, integer("limit")],
  [
    "both list cursors",
    `${NAME}?starting_after=cus_1&ending_before=cus_2`,
    { method: "GET" },
    { code: "parameters_exclusive", param: "ending_before" },
  ],
  [
    "a list cursor that does not exist",
    `${NAME}?starting_after=cus_1`,
    { method: "GET" },
    { code: "resource_missing", param: "starting_after" },
  ],
  ["an unknown parameter of a list", `${NAME}?colour=blue`, { method: "GET" }, unknown("colour")],
  ["a missing search query", `${NAME}/search`, { method: "GET" }, { code: "parameter_missing", param: "query" }],
  ["an unknown search field", `${NAME}/search?query=colour:'blue'`, { method: "GET" }, { param: "query" }],
  ["a search field of another resource", `${NAME}/search?query=status:'active'`, { method: "GET" }, { param: "query" }],
  ["an incomplete search query", `${NAME}/search?query=email`, { method: "GET" }, { param: "query" }],
  [
    "AND and OR in one search query",
    `${NAME}/search?query=email:'a' AND name:'b' OR name:'c'`,
    { method: "GET" },
    { param: "query" },
  ],
  [
    "an unknown property to expand",
    `${NAME}?expand[]=data.colour`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  [
    "a text property to expand",
    `${NAME}?expand[]=data.email`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  [
    "the property constructor to expand",
    `${NAME}?expand[]=constructor`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  [
    "the method toString to expand",
    `${NAME}?expand[]=data.toString`,
    { method: "GET" },
    { code: "property_cannot_be_expanded" },
  ],
  ["expand as a text instead of a list", `${NAME}?expand=data.subscriptions`, { method: "GET" }, { param: "expand" }],
  [
    "a property five levels deep to expand",
    `${NAME}?expand[]=data.subscriptions.data.latest_invoice.payments`,
    { method: "GET" },
    { code: "property_expansion_max_depth" },
  ],
  [
    "an unknown customer ID",
    `${NAME}/cus_nobody`,
    { method: "GET" },
    { status: 404, code: "resource_missing", param: "id" },
  ],
  [
    "constructor as the customer ID",
    `${NAME}/constructor`,
    { method: "GET" },
    { status: 404, code: "resource_missing" },
  ],
  ["no API key", NAME, { key: null }, { status: 401 }],
  ["a live API key", NAME, { key: "sk_live_123" }, { status: 401 }],
  ["a publishable API key", NAME, { key: "pk_test_123" }, { status: 401, code: "secret_key_required" }],
  ["an API key without a name", NAME, { key: "sk_test_" }, { status: 401 }],
  ["an unknown URL", "/v1/customer", { method: "GET" }, { status: 404 }],
  ["a slash at the end of the URL", `${NAME}/`, { method: "GET" }, { status: 404 }],
  ["an HTTP method that the URL does not support", NAME, { method: "DELETE" }, { status: 404 }],
])(
  "a request with %s is rejected and changes nothing",
  async (_what, path, asked, { status = 400, type, ...refused }) => {
    const { emulator } = await stocked();
    const before = accountData(emulator);
    const answer = await ask(emulator, path, asked);
    expect(answer).toMatchObject({ status, body: { error: { type: type ?? "invalid_request_error", ...refused } } });
    expect(answer.body["error"]).toMatchObject({ message: expect.stringMatching(/\S/) });
    expect(accountData(emulator)).toEqual(before);
  },
);

test("a request that refers to a missing object changes nothing", async () => {
  const { emulator, stripe, subscription } = await stocked();
  const paid = subscription.latest_invoice as string;
  const before = accountData(emulator);
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
  expect(accountData(emulator)).toEqual(before);
  expect((await stripe.subscriptions.retrieve(subscription.id)).status).toBe("active");
});

test("an account cannot see objects of another account", async () => {
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
