/** Tests tax IDs. */
import { expect, test } from "vitest";
import { createSdk, refusal } from "./support/sdk.ts";

test("a customer's tax IDs are validated and copied to invoices, and can be listed and deleted", async () => {
  const sdk = createSdk();
  const { stripe } = sdk;
  const customer = await stripe.customers.create({ tax_id_data: [{ type: "eu_vat", value: "DE123456789" }] });
  const gb = await stripe.customers.createTaxId(customer.id, { type: "gb_vat", value: "GB111111111" });
  expect(gb).toMatchObject({ country: "GB", verification: { status: "unverified" }, owner: { type: "customer" } });
  const listed = await stripe.customers.listTaxIds(customer.id);
  expect(listed.data.map(({ value }) => value)).toEqual(["GB111111111", "DE123456789"]);
  const expanded = await stripe.customers.retrieve(customer.id, { expand: ["tax_ids"] });
  expect(expanded).toMatchObject({ tax_ids: { data: listed.data } });
  const invoice = await stripe.invoices.create({ customer: customer.id });
  expect(invoice.customer_tax_ids).toEqual([
    { type: "eu_vat", value: "DE123456789" },
    { type: "gb_vat", value: "GB111111111" },
  ]);
  expect(await stripe.customers.deleteTaxId(customer.id, gb.id)).toMatchObject({ deleted: true });
  expect(await sdk.eventTypes()).toEqual(
    expect.arrayContaining(["customer.tax_id.created", "customer.tax_id.deleted"]) as string[],
  );
});

test("an invalid tax ID is rejected, and a tax ID cannot be retrieved for another customer", async () => {
  const { stripe } = createSdk();
  const make = (value: string) => stripe.customers.create({ tax_id_data: [{ type: "eu_vat", value }] });
  expect(await refusal(make("nonsense"))).toMatchObject({ code: "tax_id_invalid" });
  expect((await stripe.customers.list()).data).toEqual([]);
  const [one, other] = [await make("FR12345678901"), await make("IE1234567FA")];
  const [taxId] = (await stripe.customers.listTaxIds(one.id)).data;
  expect(await refusal(stripe.customers.retrieveTaxId(other.id, taxId?.id ?? ""))).toMatchObject({
    code: "resource_missing",
  });
});
