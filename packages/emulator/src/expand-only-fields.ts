/**
 * The fields of objects that a response includes only if the request expands them.
 * @see https://docs.stripe.com/expand#includable-properties
 */
import { checkoutLines, orderOf } from "./billing/checkout.ts";
import { customerTax } from "./billing/customer-tax.ts";
import { termsOf } from "./billing/discounts.ts";
import { balancesOf } from "./billing/customer-balance.ts";
import { intentOf, subscriptionOf } from "./billing/invoices.ts";
import { sourcesOf } from "./billing/payment-methods.ts";
import { find, listAll, listBy } from "./core/rows.ts";
import { breakdownOf, taxesOfItem } from "./expand-checkout.ts";
import type { Context } from "./core/state.ts";
import type { Row } from "./core/tables.ts";
import { toCard } from "./objects/card.ts";
import type { Invoice } from "./objects/invoice.ts";

type FieldMakers = Record<string, () => unknown>;

/**
 * Returns the fields of an object that responses include only on expansion. Each field is returned as a function that computes
 * the field's value.
 */
export function expandOnlyFields(context: Context, object: object): FieldMakers {
  const row = object as { object?: string; id?: string };
  switch (row.object) {
    case "invoice":
      return invoiceFields(context, object as Row<"invoice">);
    case "customer":
      return customerFields(context, row.id ?? "");
    case "price": {
      const price = find(context, "price", row.id ?? "");
      return { tiers: () => price?.tiers ?? null, currency_options: () => price && allCurrencies(price) };
    }
    case "coupon": {
      const coupon = object as Row<"coupon">;
      const stored = find(context, "coupon", coupon.id) ?? coupon;
      return {
        applies_to: () => stored.applies_to ?? null,
        currency_options: () => stored.currency_options ?? null,
      };
    }
    case "charge":
      return {
        refunds: () =>
          toList(listBy(context, "refund", { charge: row.id ?? "" }).toReversed(), `/v1/charges/${row.id}/refunds`),
      };
    case "checkout.session": {
      const session = object as Row<"checkout.session">;
      return {
        line_items: () => ({
          ...toList(
            checkoutLines(context, session, orderOf(context, session)),
            `/v1/checkout/sessions/${row.id}/line_items`,
          ),
          total_count: undefined,
        }),
      };
    }
    case "item":
      return { taxes: () => taxesOfItem(context, row.id ?? "") };
    default:
      return {};
  }
}

/**
 * Returns a field of a nested hash that only the hash's owner can expand, such as `source.coupon` of a discount; undefined if
 * the path is not such a field.
 */
export function nestedField(context: Context, object: object, path: string): object | undefined {
  const { object: type, id = "" } = object as { object?: string; id?: string };
  if (type === "discount" && path === "source.coupon") return couponOf(context, id);
  if (type === "promotion_code" && path === "restrictions.currency_options")
    return find(context, "promotion_code", id)?.restrictions.currency_options ?? {};
  if (type === "checkout.session" && path === "total_details.breakdown")
    return breakdownOf(context, object as Row<"checkout.session">);
  return undefined;
}

/** Returns the coupon of a stored discount. A deleted coupon is shown as it was at its redemption, but is not valid. */
function couponOf(context: Context, id: string): Row<"coupon"> | undefined {
  const discount = find(context, "discount", id);
  const terms = termsOf(context, discount);
  if (!terms) return undefined;
  const stored = find(context, "coupon", terms.id);
  return stored?.created === terms.created ? stored : { ...terms, valid: false };
}

/** Returns the amounts of a price in all of its currencies, including its default currency. */
function allCurrencies({ currency, currency_options: options, ...price }: Row<"price">) {
  const { custom_unit_amount, tax_behavior, unit_amount, unit_amount_decimal, tiers } = price;
  const own = { custom_unit_amount, tax_behavior, unit_amount, unit_amount_decimal, ...(tiers && { tiers }) };
  return { [currency]: own, ...options };
}

function customerFields(context: Context, id: string): FieldMakers {
  return {
    subscriptions: () =>
      toList(listBy(context, "subscription", { customer: id }).toReversed(), `/v1/customers/${id}/subscriptions`),
    sources: () => toList(sourcesOf(context, id).toReversed().map(toCard), `/v1/customers/${id}/sources`),
    tax_ids: () => toList(listBy(context, "tax_id", { customer: id }).toReversed(), `/v1/customers/${id}/tax_ids`),
    invoice_credit_balance: () => balancesOf(context, id),
    tax: () => {
      const customer = find(context, "customer", id);
      return customer ? customerTax(context, customer) : null;
    },
    cash_balance: () => null,
    payment_methods: () =>
      toList(
        listAll(context, "payment_method", (row) => row.customer === id),
        "",
      ),
  };
}

function toList(data: readonly object[], url: string) {
  return { object: "list", data: [...data], has_more: false, total_count: data.length, url };
}

/** Returns the fields of an invoice that responses include only on expansion. */
export function invoiceFields(context: Context, invoice: Invoice) {
  return {
    payments: () => ({
      object: "list",
      data: listBy(context, "invoice_payment", { invoice: invoice.id }),
      has_more: false,
      url: "/v1/invoices/payments",
    }),
    confirmation_secret: () => {
      const intent = intentOf(context, invoice);
      return intent && { client_secret: intent.client_secret, type: "payment_intent" };
    },
    subscription: () => subscriptionOf(context, invoice),
  };
}
