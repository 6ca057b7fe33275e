/** Tests the customer details of invoice previews. @see stripe/esm/resources/Invoices.d.ts: customer_details */
import { expect, test } from "vitest";
import { createTaxSdk, SELLER, taxedSale } from "./support/taxes.ts";

test("a preview computes taxes for the given shipping address or IP address and changes no customer", async () => {
  const { stripe } = createTaxSdk({ ...SELLER, ip_locations: { "203.0.113.7": { country: "FR" } } });
  const { price, customer } = await taxedSale(stripe, { country: null });
  const preview = (customer_details: object) =>
    stripe.invoices.createPreview({
      customer: customer.id,
      customer_details,
      automatic_tax: { enabled: true },
      subscription_details: { items: [{ price: price.id }] },
    });
  const shipping = { name: "Ada", address: { country: "DE" } };
  expect((await preview({ shipping })).total).toBe(1_190);
  expect((await preview({ tax: { ip_address: "203.0.113.7" } })).total).toBe(1_200);
  expect(await stripe.customers.retrieve(customer.id)).toMatchObject({ shipping: null, address: null });
});
