/** Checks every page of the emulator with axe-core, on a wide screen and on a phone. @see https://github.com/dequelabs/axe-core */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type Axe from "axe-core";
import type { Page } from "playwright-core";
import type Stripe from "stripe";
import { expect, test } from "vitest";
import { checkout, open, pay, portal, type Site, subscribe } from "./support.ts";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The time for one visit of each page, on a slow machine. */
const TIMEOUT_MS = 90_000;

/** The screen of a phone. */
const PHONE = { width: 390, height: 844 };

const CASES = [
  ["checkout", "light"],
  ["checkout", "dark"],
  ["billing", "light"],
  ["billing", "dark"],
  ["viewer", "light"],
  ["viewer", "dark"],
] as const;

test.each(CASES)(
  "no %s page of the emulator violates a rule of axe in %s colors, and each fits on a phone",
  async (group, colorScheme) => {
    const site = await open();
    const { page } = site;
    await page.emulateMedia({ colorScheme });
    const addresses = await ADDRESSES[group](site);
    await page.addInitScript(SOURCE);
    const wide = page.viewportSize() ?? PHONE;
    const found: [string, string[]][] = [];
    for (const address of addresses) {
      await page.setViewportSize(wide);
      await page.goto(address);
      found.push([address, await violationsOf(page)]);
      await page.setViewportSize(PHONE);
      found.push([`${address} on a phone`, [...(await violationsOf(page)), ...(await overflowOf(page))]]);
    }
    expect(found.filter(([, violations]) => violations.length > 0)).toEqual([]);
  },
  TIMEOUT_MS,
);

/** Functions that create objects for the pages of a group and return the URLs of the pages. */
const ADDRESSES = {
  async checkout(site: Site): Promise<string[]> {
    const { page } = site;
    await site.stripe.products.create({ id: "prod_fields", name: "Seat" });
    const fields = await checkout(site, FIELDS);
    const declined = await checkout(site, { allow_promotion_codes: true });
    await pay(page, "4000000000000002");
    const complete = await checkout(site);
    await pay(page);
    await page.waitForURL(/localhost:\d+\/done/);
    const challenged = await checkout(site);
    await pay(page, "4000002760003184");
    const challenge = page.url();
    const embedded = await site.stripe.checkout.sessions.create({
      mode: "subscription",
      ui_mode: "embedded_page",
      line_items: [{ price: (await site.stripe.prices.list()).data[0]?.id ?? "", quantity: 1 }],
      return_url: "http://localhost/done",
    });
    const urls = [fields, declined, complete, challenged].map(({ url }) => url ?? "");
    return [
      ...urls,
      `/c/embed/${embedded.client_secret}`,
      challenge,
      "/c/pay/cs_unknown",
      "/challenge/pi_unknown",
      "/unknown",
    ];
  },

  async billing(site: Site): Promise<string[]> {
    const { stripe } = site;
    const { customer, subscription, method } = await subscribe(stripe);
    const configuration = await stripe.billingPortal.configurations.create(PORTAL);
    const { url } = await portal(site, customer.id, { configuration: configuration.id });
    const shrinking = await scheduleSmallerQuantity(site, subscription, url);
    const due = { collection_method: "send_invoice", days_until_due: 3 } as const;
    const { id: invoice } = await stripe.invoices.create({ customer: customer.id, ...due });
    await stripe.invoiceItems.create({ customer: customer.id, invoice, amount: 500, currency: "usd" });
    await stripe.invoices.finalizeInvoice(invoice);
    const [charge] = (await stripe.charges.list({ customer: customer.id })).data;
    const forms = ["cancel", "update", "preview"].map((name) => `${name}?subscription=${subscription.id}&quantity=2`);
    forms.push(`preview?subscription=${shrinking}&quantity=1`);
    return [
      url,
      ...[...forms, "card", `remove?method=${method.id}`, "done"].map((path) => `${url}/${path}`),
      ...[subscription.latest_invoice as string, invoice, "in_unknown"].map((id) => `/i/${id}`),
      ...[charge?.id, "ch_unknown"].map((id) => `/receipts/${id}`),
      "/p/session/bps_unknown",
    ];
  },

  async viewer(site: Site): Promise<string[]> {
    const { stripe, emulator } = site;
    const { customer, subscription } = await subscribe(stripe);
    await emulator.advance(31 * 86_400);
    await fetch(`${emulator.url}/_viewer/deliveries`, { method: "POST", body: new URLSearchParams({ what: "hold" }) });
    const fault = { answer: 500, path: "/v1/none" };
    await fetch(`${emulator.url}/_emulator/faults`, { method: "POST", body: JSON.stringify(fault) });
    await stripe.customers.create();
    const texts = [customer.id, subscription.id, emulator.events().at(-1)?.id, "ada", "nothing", ""];
    return [
      "/",
      ...texts.map((text) => `/_viewer/search?q=${text}`),
      ...["", "?text=nothing&failed=yes", "/4", "/999"].map((path) => `/_viewer/requests${path}`),
      "/_viewer/accounts/1/lists/invoice",
    ];
  },
};

const label = (custom: string) => ({ type: "custom" as const, custom });
const FIELDS: Partial<Stripe.Checkout.SessionCreateParams> = {
  consent_collection: { terms_of_service: "required", promotions: "auto" },
  custom_fields: [
    { key: "name", label: label("Engraving"), type: "text", optional: true },
    { key: "size", label: label("Size"), type: "dropdown", dropdown: { options: [{ label: "Small", value: "s" }] } },
  ],
  custom_text: { submit: { message: "You pay once." }, after_submit: { message: "Thank you." } },
  line_items: [
    {
      quantity: 1,
      adjustable_quantity: { enabled: true },
      price_data: {
        currency: "usd",
        unit_amount: 900,
        product: "prod_fields",
        recurring: { interval: "month" },
      },
    },
  ],
  phone_number_collection: { enabled: true },
  name_collection: { business: { enabled: true }, individual: { enabled: true, optional: true } },
};

/**
 * Creates two subscriptions with the quantity 3, and schedules the quantity 1 for one of them. Returns the ID of the other one.
 */
async function scheduleSmallerQuantity({ stripe }: Site, like: Stripe.Subscription, portalUrl: string) {
  const [price] = like.items.data.map(({ price: { id } }) => id);
  const create = () =>
    stripe.subscriptions.create({ customer: like.customer as string, items: [{ price: price ?? "", quantity: 3 }] });
  const [scheduled, other] = [await create(), await create()];
  const body = new URLSearchParams({ subscription: scheduled.id, quantity: "1" });
  await fetch(`${portalUrl}/change`, { method: "POST", body });
  expect((await stripe.subscriptions.retrieve(scheduled.id)).schedule).not.toBeNull();
  return other.id;
}

const PORTAL: Stripe.BillingPortal.ConfigurationCreateParams = {
  business_profile: { headline: "Billing of the shop", privacy_policy_url: "https://shop.test/privacy" },
  features: {
    invoice_history: { enabled: true },
    payment_method_update: { enabled: true },
    subscription_cancel: { enabled: true, cancellation_reason: { enabled: true, options: ["unused", "other"] } },
    subscription_update: {
      enabled: true,
      default_allowed_updates: ["price", "promotion_code", "quantity"],
      products: [],
      schedule_at_period_end: { conditions: [{ type: "decreasing_item_amount" }] },
    },
  },
};

/** Returns the elements that make the page wider than the screen. */
function overflowOf(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return [];
    const wide = [...document.querySelectorAll("body *")].filter(
      (element) => element.getBoundingClientRect().right > width + 1 && element.children.length === 0,
    );
    return [`wider than the screen: ${wide.map(({ outerHTML }) => outerHTML.slice(0, 120)).join(" ")}`];
  });
}

/** Returns the rules that the page violates, with the elements. Rules that axe calls experimental count too. */
function violationsOf(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof Axe };
    const rules = { "label-content-name-mismatch": { enabled: true }, "css-orientation-lock": { enabled: true } };
    const { violations } = await axe.run(document, { rules, resultTypes: ["violations"] });
    return violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(" ")}`,
    );
  });
}
