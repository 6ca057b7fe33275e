/** Defines the API routes of checkout sessions. @see https://docs.stripe.com/api/checkout/sessions */
import { z } from "zod";
import type { Api } from "../api.ts";
import {
  checkoutLines,
  collectFromMethod,
  confirmCheckout,
  confirmWithoutCard,
  expireCheckout,
  orderOf,
  setAmounts,
} from "../billing/checkout.ts";
import { cardError } from "../billing/card-errors.ts";
import { setDiscounts } from "../billing/checkout-discounts.ts";
import { checkCustomerCurrency, currencyInUse } from "../billing/customer-currency.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { checkAnchor } from "../billing/first-period.ts";
import { checkPriceCurrency, supportsCurrency } from "../billing/presentment.ts";
import { createSetupIntent } from "../billing/setup.ts";
import { now } from "../core/clock.ts";
import { minimumCharge, minimumText } from "../core/currencies.ts";
import { ApiError } from "../core/errors.ts";
import { emitChange } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import {
  currency,
  email,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  refuseBoth,
  text,
  url,
} from "../core/params.ts";
import type { CheckoutOrder } from "../core/records.ts";
import { insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setTimer } from "../core/timers.ts";
import { type CheckoutSession, newCheckoutSession, SESSION_LIFETIME_SECONDS } from "../objects/checkout-session.ts";
import { checkUiMode, REDIRECTS, UI_MODES } from "./checkout-ui-mode.ts";
import { checkFields, fieldParams } from "./checkout-fields.ts";
import { adjustableOf, adjustableQuantity } from "./checkout-quantities.ts";
import { methodTypes, setMethodTypes } from "./method-types.ts";
import { checkSessionTaxes } from "./checkout-tax-checks.ts";
import { automaticTax, taxRates } from "./tax-params.ts";
import type { Customer } from "../objects/customer.ts";
import type { Price } from "../objects/price.ts";
import { checkActive, checkPurchasable } from "./chosen-price.ts";
import { checkoutPriceData } from "./price-params.ts";
import { createInlinePrice } from "./prices.ts";

const MIN_LIFETIME = 1_800;
const MAX_DISCOUNTS = 1;

const lineItem = z.strictObject({
  price: text.optional(),
  price_data: checkoutPriceData.optional(),
  quantity: integer.pipe(z.number().min(1)).optional(),
  adjustable_quantity: adjustableQuantity,
  tax_rates: taxRates,
});
export const discounts = z
  .array(z.strictObject({ coupon: text.optional(), promotion_code: text.optional() }))
  .optional();
const missingMethod = z.strictObject({
  end_behavior: z.strictObject({ missing_payment_method: z.enum(["cancel", "create_invoice", "pause"]) }),
});
const collected = z.enum(["auto", "never"]).optional();
const customerUpdate = z.strictObject({ address: collected, name: collected, shipping: collected });
const CreateParams = z.strictObject({
  mode: z.enum(["payment", "setup", "subscription"]).optional(),
  ui_mode: z.enum(UI_MODES).optional(),
  customer: text.optional(),
  customer_email: email.optional(),
  customer_update: customerUpdate.optional(),
  customer_creation: z.enum(["always", "if_required"]).optional(),
  client_reference_id: text.max(200).optional(),
  currency: currency.optional(),
  line_items: z.array(lineItem).max(100).optional(),
  success_url: url.optional(),
  return_url: url.optional(),
  redirect_on_completion: z.enum(REDIRECTS).optional(),
  cancel_url: url.optional(),
  expires_at: integer.optional(),
  after_expiration: z
    .strictObject({
      recovery: z.strictObject({ enabled: flag, allow_promotion_codes: flag.optional() }).optional(),
    })
    .optional(),
  allow_promotion_codes: flag.optional(),
  automatic_tax: automaticTax,
  billing_address_collection: z.enum(["auto", "required"]).optional(),
  tax_id_collection: z
    .strictObject({ enabled: flag, required: z.enum(["if_supported", "never"]).optional() })
    .optional(),
  discounts,
  payment_method_collection: z.enum(["always", "if_required"]).optional(),
  ...methodTypes,
  ...fieldParams,
  locale: text.optional(),
  metadata: metadata.optional(),
  subscription_data: z
    .strictObject({
      metadata: metadata.optional(),
      default_tax_rates: taxRates,
      description: text.optional(),
      billing_cycle_anchor: integer.optional(),
      proration_behavior: z.enum(["create_prorations", "none"]).optional(),
      trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
      trial_end: integer.optional(),
      trial_settings: missingMethod.optional(),
    })
    .optional(),
  payment_intent_data: z
    .strictObject({ metadata: metadata.optional(), description: text.optional(), setup_future_usage: text.optional() })
    .optional(),
  setup_intent_data: z.strictObject({ metadata: metadata.optional(), description: text.optional() }).optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  customer_details: z.strictObject({ email: text }).optional(),
  subscription: text.optional(),
  payment_intent: text.optional(),
  payment_link: text.optional(),
  status: z.enum(["open", "complete", "expired"]).optional(),
});
const PageParams = z.strictObject({ key: text.optional(), expand });
const ConfirmParams = PageParams.extend({ payment_method: text.optional(), expected_amount: integer.optional() });
const NoParams = z.strictObject({ expand });

export type CreateInput = z.output<typeof CreateParams>;

export function checkoutSessionRoutes(api: Api): void {
  api.post("/v1/checkout/sessions", CreateParams, create);

  api.get("/v1/checkout/sessions", ListParams, (context, params) => {
    const { customer, customer_details: details, subscription, payment_intent, payment_link, status } = params;
    return paginate(context, listAll(context, "checkout.session"), params, {
      url: "/v1/checkout/sessions",
      filter: (row) =>
        hasFields(row, { customer, subscription, payment_intent, payment_link, status }) &&
        (details === undefined || row.customer_details?.email === details.email),
    });
  });

  api.get("/v1/checkout/sessions/:id", NoParams, (context, _params, id) => retrieve(context, "checkout.session", id));

  api.post(
    "/v1/checkout/sessions/:id",
    z.strictObject({ metadata: metadata.optional(), expand }),
    (context, params, id) => {
      const session = retrieve(context, "checkout.session", id);
      emitChange(context, "checkout.session.updated", session, () => {
        session.metadata = mergeMetadata(session.metadata, params.metadata);
      });
      return session;
    },
  );

  api.get("/v1/checkout/sessions/:id/line_items", z.strictObject(listParams), (context, params, id) => {
    const session = retrieve(context, "checkout.session", id);
    const lines = checkoutLines(context, session, orderOf(context, session));
    return paginate(context, lines.toReversed(), params, { url: `/v1/checkout/sessions/${id}/line_items` });
  });

  api.post("/v1/checkout/sessions/:id/expire", NoParams, (context, _params, id) => {
    const session = retrieve(context, "checkout.session", id);
    if (session.status !== "open")
      throw new ApiError(
        `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
      );
    expireCheckout(context, session);
    return session;
  });

  paymentPageRoutes(api);
}

/** Defines the API routes that the checkout page calls without a secret API key. */
function paymentPageRoutes(api: Api): void {
  api.publicGet("/v1/payment_pages/:id", PageParams, (context, _params, id) =>
    retrieve(context, "checkout.session", id),
  );

  api.publicPost("/v1/payment_pages/:id/confirm", ConfirmParams, (context, params, id) => {
    const session = retrieve(context, "checkout.session", id);
    if (params.payment_method !== undefined) collectFromMethod(context, session, params.payment_method);
    if (params.expected_amount !== undefined && params.expected_amount !== session.amount_total)
      throw new ApiError("The amount has changed since the page was shown. Load it again.", {
        code: "checkout_amount_mismatch",
        param: "expected_amount",
        keepsEffects: true,
      });
    const outcome =
      params.payment_method === undefined
        ? confirmWithoutCard(context, session)
        : confirmCheckout(context, session, params.payment_method);
    if (outcome.kind === "declined") throw cardError(outcome.error, { payment_method: outcome.error.payment_method });
    return outcome.kind === "challenge" ? { ...session, next_action: outcome.nextAction } : session;
  });
}

function create(context: Context, params: CreateInput): CheckoutSession {
  checkParams(params);
  const items = (params.line_items ?? []).map((item, index) => toItem(context, item, index));
  const customer = params.customer === undefined ? null : retrieveCustomer(context, params.customer, "customer");
  const session = newCheckoutSession(context, params, customer);
  setMethodTypes(session, params);
  const at = now(context);
  if (session.expires_at < at + MIN_LIFETIME || session.expires_at > at + SESSION_LIFETIME_SECONDS)
    throw new ApiError("The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", {
      param: "expires_at",
    });
  const prices = items.map((item) => retrieve(context, "price", item.price));
  if (session.mode !== "setup") session.currency = presentmentCurrency(context, params, prices, customer);
  const recurring = prices.some((price) => price.recurring !== null);
  if (session.mode === "subscription" && !recurring)
    throw new ApiError("You must provide at least one recurring price in `subscription` mode when using prices.", {
      param: "line_items",
    });
  if (session.mode === "payment" && recurring)
    throw new ApiError(
      "You specified `payment` mode but passed a recurring price. Either switch to `subscription` mode or use only one-time prices.",
      { param: "line_items" },
    );
  checkAnchorOf(context, params, prices);
  insert(context, "checkout.session", session);
  const order = newOrder(params, items);
  if (session.mode === "setup") {
    const { metadata: given } = order;
    order.setupIntent = createSetupIntent(context, { customer: session.customer, metadata: given }).id;
    session.setup_intent = order.setupIntent;
  }
  checkSessionTaxes(context, session, order);
  context.account.checkoutOrders.set(session.id, order);
  setDiscounts(context, session, order, params.discounts ?? []);
  setAmounts(context, session, order);
  checkTotal(session);
  setTimer(context, "session_expires", session.id, session.expires_at);
  return session;
}

/** The parameters that belong to some modes only. */
const PARAMS_OF_MODES = {
  subscription_data: ["subscription"],
  payment_intent_data: ["payment"],
  setup_intent_data: ["setup"],
} as const;

/** @see https://docs.stripe.com/api/checkout/sessions/create */
function checkModeParams(params: CreateInput, mode: NonNullable<CreateInput["mode"]>): void {
  for (const [name, modes] of Object.entries(PARAMS_OF_MODES))
    if (params[name as keyof typeof PARAMS_OF_MODES] !== undefined && !(modes as readonly string[]).includes(mode))
      throw new ApiError(`You can not pass \`${name}\` in \`${mode}\` mode.`, { param: name });
}

function checkParams(params: CreateInput): void {
  const mode = params.mode ?? "payment";
  checkModeParams(params, mode);
  checkUiMode(params);
  checkFields(params);
  if (mode !== "setup" && !params.line_items?.length)
    throw new ApiError("Missing required param: line_items.", { code: "parameter_missing", param: "line_items" });
  if ((params.discounts?.length ?? 0) > MAX_DISCOUNTS)
    throw new ApiError(`Array discounts exceeded maximum ${MAX_DISCOUNTS} allowed elements.`, { param: "discounts" });
  if (params.discounts?.length && params.allow_promotion_codes)
    throw new ApiError("You may only specify one of these parameters: allow_promotion_codes, discounts.", {
      param: "allow_promotion_codes",
    });
  if (params.customer_update !== undefined && params.customer === undefined)
    throw new ApiError("`customer_update` can only be used with `customer` or `customer_account`.", {
      param: "customer_update",
    });
  if (params.customer !== undefined && params.customer_email !== undefined)
    throw new ApiError("You may only specify one of these parameters: customer, customer_email.", {
      param: "customer",
    });
}

/**
 * Returns the currency in which a session shows and charges its amounts. Without the parameter `currency`, Stripe keeps the
 * currency of the customer's subscriptions if all prices support it. Otherwise it is the default currency of the prices.
 * @see https://docs.stripe.com/payments/currencies/localize-prices/manual-currency-prices
 */
function presentmentCurrency(
  context: Context,
  { mode, currency: wanted }: CreateInput,
  prices: readonly Price[],
  customer: Customer | null,
): string {
  const [first] = prices;
  const own = first?.currency ?? "usd";
  const other = prices.find((price) => price.currency !== own);
  if (other)
    throw new ApiError(
      `All prices of a Checkout Session must have the same default currency. Found \`${own}\` and \`${other.currency}\`.`,
      { param: "line_items" },
    );
  for (const [index, price] of prices.entries())
    if (wanted !== undefined) checkPriceCurrency(price, wanted, `line_items[${index}][price]`);
  const used = customer && currencyInUse(context, customer);
  const billed = wanted ?? (used && prices.every((price) => supportsCurrency(price, used)) ? used : own);
  if (mode === "subscription" && customer) checkCustomerCurrency(context, customer, billed);
  return billed;
}

/** @see https://docs.stripe.com/payments/checkout/billing-cycle */
function checkAnchorOf(context: Context, { subscription_data: data }: CreateInput, prices: readonly Price[]): void {
  if (data?.billing_cycle_anchor === undefined) return;
  for (const trial of ["trial_end", "trial_period_days"]) refuseBoth(data, "billing_cycle_anchor", trial);
  checkAnchor(context, data.billing_cycle_anchor, prices, "subscription_data[billing_cycle_anchor]");
}

/** @see https://docs.stripe.com/currencies#minimum-and-maximum-charge-amounts */
function checkTotal({ mode, amount_total: total, currency: billed }: CheckoutSession): void {
  if (mode !== "payment" || total === null || total === 0 || billed === null) return;
  if (total < minimumCharge(billed))
    throw new ApiError(`The Checkout Session's total amount due must add up to at least ${minimumText(billed)}`, {
      code: "amount_too_small",
    });
}

function toItem(context: Context, item: z.output<typeof lineItem>, index: number): CheckoutOrder["items"][number] {
  const at = `line_items[${index}]`;
  const param = `${at}[price]`;
  if (item.price !== undefined && item.price_data !== undefined)
    throw new ApiError("You may only specify one of these parameters: price, price_data.", { param });
  if (item.price === undefined && item.price_data === undefined)
    throw new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
  const price = item.price_data
    ? createInlinePrice(context, item.price_data, `${at}[price_data]`)
    : retrieve(context, "price", item.price ?? "", param);
  if (!item.price_data) checkActive(price, param);
  checkPurchasable(context, price, item.price_data ? `${at}[price_data][product]` : param);
  const metered = price.recurring?.usage_type === "metered";
  if (metered && (item.quantity !== undefined || item.adjustable_quantity?.enabled))
    throw new ApiError(
      `Quantity should not be specified where usage_type is \`metered\`. Remove quantity from \`${at}\``,
    );
  if (!metered && item.quantity === undefined)
    throw new ApiError(`Quantity is required. Add \`quantity\` to \`${at}\``);
  return {
    id: newId(context, "li"),
    price: price.id,
    quantity: item.quantity ?? 1,
    ...adjustableOf(item, at),
    taxRates: item.tax_rates ?? [],
  };
}

function newOrder(params: CreateInput, items: CheckoutOrder["items"]): CheckoutOrder {
  const given = {
    subscription: params.subscription_data,
    payment: params.payment_intent_data,
    setup: params.setup_intent_data,
  }[params.mode ?? "payment"];
  return {
    items,
    metadata: mergeMetadata({}, given?.metadata),
    defaultTaxRates: params.subscription_data?.default_tax_rates ?? [],
    customerUpdate: params.customer_update,
    description: given?.description ?? null,
    anchor: params.subscription_data?.billing_cycle_anchor,
    isFreeUntilAnchor: params.subscription_data?.proration_behavior === "none",
    trialDays: params.subscription_data?.trial_period_days ?? 0,
    trialEnd: params.subscription_data?.trial_end ?? null,
    missingPaymentMethod:
      params.subscription_data?.trial_settings?.end_behavior.missing_payment_method ?? "create_invoice",
    discounts: [],
    paymentIntent: null,
    setupIntent: null,
    paymentMethod: null,
    notice: null,
  };
}
