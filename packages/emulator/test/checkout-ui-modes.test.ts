/**
 * Tests the parameters and fields of checkout sessions that depend on `ui_mode`.
 * @see The doc comments of `SessionCreateParams` in the SDK's file Checkout/Sessions.d.ts.
 */
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

const RETURN_URL = "https://app.test/return?session={CHECKOUT_SESSION_ID}";
const SETUP = { mode: "setup", currency: "usd" } as const;

type Params = Partial<Stripe.Checkout.SessionCreateParams>;

function checkouts() {
  const { stripe } = createSdk();
  return { stripe, create: (params: Params) => stripe.checkout.sessions.create({ ...SETUP, ...params }) };
}

test("a hosted checkout session has a URL and no client secret", async () => {
  const { create } = checkouts();
  const session = await create({ success_url: "https://app.test/" });
  expect(session).toMatchObject({ ui_mode: "hosted_page", client_secret: null, success_url: "https://app.test/" });
  expect(session.url).toBe(`http://stripe.test/c/pay/${session.id}`);
  expect(session).not.toHaveProperty("return_url");
  expect(session).not.toHaveProperty("redirect_on_completion");
});

test("an embedded checkout session has a client secret and no URL", async () => {
  const { create, stripe } = checkouts();
  const session = await create({ ui_mode: "embedded_page", return_url: RETURN_URL });
  expect(session).toMatchObject({
    ui_mode: "embedded_page",
    url: null,
    success_url: null,
    return_url: RETURN_URL,
    redirect_on_completion: "always",
  });
  expect(session.client_secret).toMatch(new RegExp(`^${session.id}_secret_\\w+$`));
  expect(await stripe.checkout.sessions.retrieve(session.id)).toEqual(session);
  const second = await create({ ui_mode: "embedded_page", redirect_on_completion: "if_required" });
  expect(second).toMatchObject({ redirect_on_completion: "if_required" });
  expect(second).not.toHaveProperty("return_url");
});

test("a checkout session for Elements has a client secret and no URL", async () => {
  const { create } = checkouts();
  const session = await create({ ui_mode: "elements" });
  expect(session).toMatchObject({ ui_mode: "elements", url: null, success_url: null });
  expect(session.client_secret).toContain("_secret_");
  expect(session).not.toHaveProperty("redirect_on_completion");
});

test.each<[Params, string]>([
  [{}, "success_url"],
  [{ ui_mode: "embedded_page" }, "return_url"],
])("checkout session parameters %j without the URL of their mode are rejected", async (params, param) => {
  const { create } = checkouts();
  expect(await refusal(create(params))).toMatchObject({ statusCode: 400, code: "parameter_missing", param });
});

/** @see https://github.com/laravel/cashier-stripe/pull/1815, which quotes Stripe's message. */
test.each<[Params, string]>([
  [{ success_url: RETURN_URL, return_url: RETURN_URL }, "`ui_mode: hosted_page`: return_url."],
  [
    { ui_mode: "embedded_page", success_url: RETURN_URL, cancel_url: RETURN_URL, return_url: RETURN_URL },
    "`ui_mode: embedded_page`: cancel_url, success_url.",
  ],
  [{ ui_mode: "elements", success_url: RETURN_URL }, "`ui_mode: elements`: success_url."],
  [{ success_url: RETURN_URL, redirect_on_completion: "never" }, "`ui_mode: hosted_page`: redirect_on_completion."],
])("checkout session parameters %j of another mode are rejected", async (params, text) => {
  const { create } = checkouts();
  expect(await refusal(create(params))).toMatchObject({
    statusCode: 400,
    message: `The following parameters are not supported with ${text}`,
  });
});

/** @see https://github.com/laravel/cashier-stripe/issues/1629 */
test("a checkout session that never redirects has no return URL", async () => {
  const { create } = checkouts();
  const never = { ui_mode: "embedded_page", redirect_on_completion: "never" } as const;
  expect(await refusal(create({ ...never, return_url: RETURN_URL }))).toMatchObject({ param: "return_url" });
  expect(await create(never)).toMatchObject({ redirect_on_completion: "never" });
});

test("the old names of checkout modes are rejected, and the beta mode gets a 501 response", async () => {
  const { create } = checkouts();
  expect(await refusal(create({ ui_mode: "embedded", return_url: RETURN_URL }))).toMatchObject({
    statusCode: 400,
    param: "ui_mode",
  });
  expect(await refusal(create({ ui_mode: "form" }))).toMatchObject({ statusCode: 501, param: "ui_mode" });
});
