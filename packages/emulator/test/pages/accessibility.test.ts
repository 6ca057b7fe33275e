/** Checks every page of the emulator with axe-core. @see https://github.com/dequelabs/axe-core */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type Axe from "axe-core";
import type { Page } from "playwright-core";
import { expect, test } from "vitest";
import { APP, checkout, open, pay, portal, type Site, subscribe } from "./support.ts";

const SOURCE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The time for one visit of each page, on a slow machine. */
const TIMEOUT_MS = 90_000;

const CASES = ["customer", "viewer"].flatMap((group) =>
  (["light", "dark"] as const).map((scheme) => [group, scheme] as const),
);

test.each(CASES)(
  "no %s page of the emulator violates a rule of axe in %s colors",
  async (group, colorScheme) => {
    const site = await open();
    await site.page.emulateMedia({ colorScheme });
    const addresses = await addressesOf(site);
    await site.page.addInitScript(SOURCE);
    const found: [string, string[]][] = [];
    for (const address of group === "viewer" ? addresses.viewer : addresses.customer) {
      await site.page.goto(address);
      found.push([address, await violationsOf(site.page)]);
    }
    expect(found.filter(([, violations]) => violations.length > 0)).toEqual([]);
  },
  TIMEOUT_MS,
);

/** Creates objects for every page, and returns the URLs of the pages. */
async function addressesOf(site: Site): Promise<{ viewer: string[]; customer: string[] }> {
  const { stripe, page, emulator } = site;
  const declined = await checkout(site, { allow_promotion_codes: true });
  await pay(page, "4000000000000002");
  const complete = await checkout(site);
  await pay(page);
  await page.waitForURL(/localhost:\d+\/done/);
  const challenged = await checkout(site);
  await pay(page, "4000002760003184");
  const challenge = page.url();
  const { customer, subscription, method } = await subscribe(stripe);
  const configuration = await stripe.billingPortal.configurations.create({
    business_profile: { headline: "Billing of the shop", privacy_policy_url: `${APP}/privacy` },
    features: {
      invoice_history: { enabled: true },
      payment_method_update: { enabled: true },
      subscription_cancel: { enabled: true, cancellation_reason: { enabled: true, options: ["unused", "other"] } },
      subscription_update: { enabled: true, default_allowed_updates: ["price", "quantity"], products: [] },
    },
  });
  const { url } = await portal(site, customer.id, { configuration: configuration.id });
  const of = `?subscription=${subscription.id}`;
  const invoice = await stripe.invoices.create({
    customer: customer.id,
    collection_method: "send_invoice",
    days_until_due: 3,
  });
  await stripe.invoiceItems.create({ customer: customer.id, invoice: invoice.id ?? "", amount: 500, currency: "usd" });
  await stripe.invoices.finalizeInvoice(invoice.id ?? "");
  await emulator.advance(86_400);
  await fetch(`${emulator.url}/_viewer/deliveries`, { method: "POST", body: new URLSearchParams({ what: "hold" }) });
  await fetch(`${emulator.url}/_emulator/faults`, {
    method: "POST",
    body: JSON.stringify({ answer: 500, path: "/v1/none" }),
  });
  await stripe.customers.create();
  const viewer = [
    "/",
    ...[customer.id, subscription.id, emulator.events()[0]?.id, "ada", "nothing", ""].map(
      (q) => `/_viewer/search?q=${q}`,
    ),
    "/_viewer/requests",
    "/_viewer/requests?text=nothing&failed=yes",
    "/_viewer/requests/8",
    "/_viewer/requests/999",
    "/_viewer/accounts/1/lists/invoice",
  ];
  const customerPages = [
    declined.url ?? "",
    complete.url ?? "",
    challenged.url ?? "",
    challenge,
    url,
    ...["cancel", "update", "preview", "pause"].map((name) => `${url}/${name}${of}&quantity=2`),
    `${url}/card`,
    `${url}/remove?method=${method.id}`,
    `${url}/done`,
    `/i/${subscription.latest_invoice as string}`,
    `/i/${invoice.id}`,
    `/receipts/${(await stripe.charges.list({ customer: customer.id })).data[0]?.id}`,
    "/c/pay/cs_unknown",
    "/challenge/pi_unknown",
    "/p/session/bps_unknown",
    "/i/in_unknown",
    "/receipts/ch_unknown",
    "/unknown",
  ];
  return { viewer, customer: customerPages };
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
