/** Tests the fields of the checkout page for address and tax ID in a browser. @see https://docs.stripe.com/tax/checkout */
import { expect, test } from "vitest";
import { APP, checkout, open, pay, textOf } from "./support.ts";

const SELLER = { country: "DE", default_behavior: "exclusive", rates: [{ country: "FR", percentage: 20 }] };

test("the checkout page shows the tax of the entered address before the payment, and saves the address and tax ID", async () => {
  const site = await open();
  const { page, stripe, emulator } = site;
  await emulator.fetch(
    new Request(`${emulator.url}/_emulator/settings`, { method: "POST", body: JSON.stringify({ tax: SELLER }) }),
  );
  const session = await checkout(site, { automatic_tax: { enabled: true }, tax_id_collection: { enabled: true } });
  expect([await textOf(page, "tax"), await textOf(page, "due")]).toEqual([
    expect.stringContaining("Enter your address"),
    "$9.00",
  ]);
  await page.getByLabel("Name").fill("Ada");
  await page.getByLabel("Country").selectOption("FR");
  await page.getByTestId("update-details").click();
  expect([await textOf(page, "tax"), await textOf(page, "due")]).toEqual([expect.stringContaining("$1.80"), "$10.80"]);
  // A business in another country owes the tax itself. The new total needs a second confirmation.
  await page.getByLabel("Tax ID").fill("FR12345678901");
  await pay(page);
  expect(await textOf(page, "notice")).toContain("The total has changed");
  expect(await textOf(page, "due")).toBe("$9.00");
  await pay(page);
  await page.waitForURL(`${APP}/done?session=${session.id}`);
  const paid = await stripe.checkout.sessions.retrieve(session.id, { expand: ["customer.tax_ids"] });
  expect(paid).toMatchObject({
    amount_total: 900,
    customer: { name: "Ada", address: { country: "FR" }, tax_ids: { data: [{ value: "FR12345678901" }] } },
  });
  expect(site.complaints).toEqual([]);
});
