/** Checkout sessions and their completion. @see https://docs.stripe.com/api/checkout/sessions */
import { needCustomer } from "../billing/customers.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import {
  checkoutLines,
  confirmCheckout,
  confirmWithoutCard,
  expireCheckout,
  orderOf,
  price as setAmounts,
  type Order,
} from "../billing/checkout.ts";
import { createSetupIntent } from "../billing/setup.ts";
import { ApiError } from "../core/errors.ts";
import { change } from "../core/events.ts";
import { page } from "../core/lists.ts";
import {
  currency,
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  text,
  url,
  whole,
} from "../core/params.ts";
import { setTimer } from "../core/timers.ts";
import { newId, newToken } from "../core/ids.ts";
import { all, insert, need, now, type World } from "../core/world.ts";

import { createPrice } from "./prices.ts";
import { intervalParam } from "./shared-params.ts";

export type CheckoutSession = ReturnType<typeof newCheckoutSession>;

const LIFETIME = 24 * 3_600;
const MIN_LIFETIME = 1_800;

const priceData = z.strictObject({
  currency,
  product: text.optional(),
  product_data: z.strictObject({ name: text, description: text.optional(), metadata: metadata.optional() }).optional(),
  unit_amount: whole.optional(),
  unit_amount_decimal: text.optional(),
  recurring: z.strictObject({ interval: intervalParam, interval_count: integer.optional() }).optional(),
});
const lineItem = z.strictObject({
  price: text.optional(),
  price_data: priceData.optional(),
  quantity: integer.pipe(z.number().min(1)).optional(),
});
const discounts = z.array(z.strictObject({ coupon: text.optional(), promotion_code: text.optional() })).optional();
const missingMethod = z.strictObject({
  end_behavior: z.strictObject({ missing_payment_method: z.enum(["cancel", "create_invoice", "pause"]) }),
});
const collected = z.enum(["auto", "never"]).optional();
/** What the page collects goes to the customer: this page collects neither. */
const customerUpdate = z.strictObject({ address: collected, name: collected, shipping: collected });
const CreateParams = z.strictObject({
  mode: z.enum(["payment", "setup", "subscription"]).optional(),
  ui_mode: z.string().optional(),
  customer: text.optional(),
  customer_email: text.optional(),
  customer_update: customerUpdate.optional(),
  customer_creation: z.enum(["always", "if_required"]).optional(),
  client_reference_id: text.max(200).optional(),
  currency: currency.optional(),
  line_items: z.array(lineItem).max(100).optional(),
  success_url: url.optional(),
  return_url: url.optional(),
  cancel_url: url.optional(),
  expires_at: integer.optional(),
  allow_promotion_codes: flag.optional(),
  discounts,
  payment_method_collection: z.enum(["always", "if_required"]).optional(),
  payment_method_types: z.array(text).optional(),
  locale: text.optional(),
  metadata: metadata.optional(),
  subscription_data: z
    .strictObject({
      metadata: metadata.optional(),
      description: text.optional(),
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
  subscription: text.optional(),
  payment_intent: text.optional(),
  status: z.enum(["open", "complete", "expired"]).optional(),
});
const PageParams = z.strictObject({ key: text.optional(), expand });
const ConfirmParams = PageParams.extend({ payment_method: text.optional(), expected_amount: integer.optional() });
const Nothing = z.strictObject({ expand });

type CreateInput = z.output<typeof CreateParams>;

function newCheckoutSession(world: World, params: CreateInput) {
  const at = now(world);
  const id = newToken(world, "cs_test", 58);
  const mode = params.mode ?? "payment";
  const customer = params.customer === undefined ? null : needCustomer(world, params.customer, "customer");
  return {
    id,
    object: "checkout.session" as const,
    adaptive_pricing: { enabled: false },
    after_expiration: null,
    allowed_payment_method_types: null,
    allow_promotion_codes: params.allow_promotion_codes ?? null,
    amount_subtotal: null as number | null,
    amount_total: null as number | null,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    branding_settings: BRANDING,
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
    client_secret: null,
    collected_information: { business_name: null, individual_name: null, shipping_details: null },
    consent: null,
    consent_collection: null,
    created: at,
    currency: mode === "setup" ? (params.currency ?? null) : "usd",
    currency_conversion: null,
    custom_fields: [],
    custom_text: { after_submit: null, shipping_address: null, submit: null, terms_of_service_acceptance: null },
    customer: customer?.id ?? null,
    customer_account: null,
    customer_creation: customer ? null : (params.customer_creation ?? (mode === "payment" ? "if_required" : "always")),
    customer_details: (customer || params.customer_email
      ? {
          address: null,
          business_name: null,
          email: customer?.email ?? params.customer_email ?? null,
          individual_name: null,
          name: null,
          phone: null,
          tax_exempt: mode === "setup" ? null : "none",
          tax_ids: null,
        }
      : null) as { email: string | null; name: string | null } | null,
    customer_email: params.customer_email ?? null,
    discounts: (mode === "setup" ? null : []) as { coupon: string | null; promotion_code: string | null }[] | null,
    expires_at: params.expires_at ?? at + LIFETIME,
    integration_identifier: null,
    invoice: null as string | null,
    invoice_creation: mode === "payment" ? NO_INVOICE : null,
    livemode: false as const,
    locale: params.locale ?? null,
    managed_payments: null,
    metadata: mergeMetadata({}, params.metadata),
    mode,
    origin_context: null,
    payment_intent: null as string | null,
    payment_link: null,
    payment_method_collection: params.payment_method_collection ?? (mode === "payment" ? "if_required" : "always"),
    payment_method_configuration_details: null,
    payment_method_options: { card: { request_three_d_secure: "automatic" } },
    payment_method_types: params.payment_method_types ?? ["card"],
    payment_status: "unpaid" as "unpaid" | "paid" | "no_payment_required",
    permissions: null,
    phone_number_collection: { enabled: false },
    recovered_from: null,
    saved_payment_method_options:
      customer && mode !== "setup"
        ? { allow_redisplay_filters: ["always"], payment_method_remove: "disabled", payment_method_save: null }
        : null,
    setup_intent: null as string | null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: "open" as "open" | "complete" | "expired",
    submit_type: null,
    subscription: null as string | null,
    success_url: params.success_url ?? params.return_url ?? null,
    total_details: null as { amount_discount: number; amount_shipping: number; amount_tax: number } | null,
    ui_mode: params.ui_mode ?? "hosted_page",
    url: `${world.baseUrl}/c/pay/${id}` as string | null,
    wallet_options: null,
  };
}

const BRANDING = {
  background_color: "#ffffff",
  border_style: "rounded",
  button_color: "#0074d4",
  display_name: "Emulator",
  font_family: "default",
  icon: null,
  logo: null,
};
const NO_INVOICE = {
  enabled: false,
  invoice_data: {
    account_tax_ids: null,
    custom_fields: null,
    description: null,
    footer: null,
    issuer: null,
    metadata: {},
    rendering_options: null,
  },
};

export function checkoutSessionRoutes(api: Api): void {
  api.post("/v1/checkout/sessions", CreateParams, create);

  api.get("/v1/checkout/sessions", ListParams, (world, params) => {
    return page(
      world,
      all(world, "checkout.session"),
      params,
      "/v1/checkout/sessions",
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.subscription === undefined || row.subscription === params.subscription) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent) &&
        (params.status === undefined || row.status === params.status),
    );
  });

  api.get("/v1/checkout/sessions/:id", Nothing, (world, _params, id) => need(world, "checkout.session", id));

  api.post(
    "/v1/checkout/sessions/:id",
    z.strictObject({ metadata: metadata.optional(), expand }),
    (world, params, id) => {
      const session = need(world, "checkout.session", id);
      change(world, "checkout.session.updated", session, () => {
        session.metadata = mergeMetadata(session.metadata, params.metadata);
      });
      return session;
    },
  );

  api.get("/v1/checkout/sessions/:id/line_items", z.strictObject(listParams), (world, params, id) => {
    const session = need(world, "checkout.session", id);
    const lines = checkoutLines(world, session, orderOf(world, session));
    return page(world, lines.toReversed(), params, `/v1/checkout/sessions/${id}/line_items`);
  });

  api.post("/v1/checkout/sessions/:id/expire", Nothing, (world, _params, id) => {
    const session = need(world, "checkout.session", id);
    if (session.status !== "open")
      throw new ApiError(
        `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
      );
    expireCheckout(world, session);
    return session;
  });

  api.publicGet("/v1/payment_pages/:id", PageParams, (world, _params, id) => need(world, "checkout.session", id));

  api.publicPost("/v1/payment_pages/:id/confirm", ConfirmParams, (world, params, id) => {
    const session = need(world, "checkout.session", id);
    if (params.expected_amount !== undefined && params.expected_amount !== session.amount_total)
      throw new ApiError("The amount has changed since the page was shown. Load it again.", {
        code: "checkout_amount_mismatch",
        param: "expected_amount",
      });
    const outcome =
      params.payment_method === undefined
        ? confirmWithoutCard(world, session)
        : confirmCheckout(world, session, params.payment_method);
    if (outcome.kind === "declined") {
      const { code, decline_code: declineCode, message } = outcome.error;
      throw new ApiError(message, {
        status: 402,
        stands: true,
        type: "card_error",
        code,
        ...(declineCode && { decline_code: declineCode }),
      });
    }
    return outcome.kind === "challenge" ? { ...session, next_action: outcome.nextAction } : session;
  });
}

function create(world: World, params: CreateInput): CheckoutSession {
  checkParams(params);
  const items = (params.line_items ?? []).map((item, index) => toItem(world, item, index));
  const session = newCheckoutSession(world, params);
  const at = now(world);
  if (session.expires_at < at + MIN_LIFETIME || session.expires_at > at + LIFETIME)
    throw new ApiError("The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", {
      param: "expires_at",
    });
  const prices = items.map((item) => need(world, "price", item.price));
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
  if (session.mode !== "setup") session.currency = prices[0]?.currency ?? "usd";
  insert(world, "checkout.session", session);
  const order = newOrder(params, items);
  if (session.mode === "setup") {
    const { metadata: given } = order;
    order.setupIntent = createSetupIntent(world, { customer: session.customer, metadata: given }).id;
    session.setup_intent = order.setupIntent;
  }
  world.account.orders.set(session.id, order);
  setAmounts(world, session, order);
  setTimer(world, "session_expires", session.id, session.expires_at);
  return session;
}

function checkParams(params: CreateInput): void {
  const mode = params.mode ?? "payment";
  if (params.success_url === undefined && params.return_url === undefined)
    throw new ApiError("Missing required param: success_url.", { code: "parameter_missing", param: "success_url" });
  if (mode !== "setup" && !params.line_items?.length)
    throw new ApiError("Missing required param: line_items.", { code: "parameter_missing", param: "line_items" });
  if (params.discounts?.length && params.allow_promotion_codes)
    throw new ApiError("You may only specify one of these parameters: allow_promotion_codes, discounts.", {
      param: "allow_promotion_codes",
    });
  if (params.customer_update !== undefined && params.customer === undefined)
    throw new ApiError("`customer_update` can only be used with `customer`.", { param: "customer_update" });
  if (params.customer !== undefined && params.customer_email !== undefined)
    throw new ApiError("You may only specify one of these parameters: customer, customer_email.", {
      param: "customer",
    });
}

function toItem(world: World, item: z.output<typeof lineItem>, index: number): Order["items"][number] {
  if (item.price === undefined && item.price_data === undefined)
    throw new ApiError(`Missing required param: line_items[${index}][price].`, {
      code: "parameter_missing",
      param: `line_items[${index}][price]`,
    });
  const price = item.price_data
    ? createPrice(world, item.price_data)
    : need(world, "price", item.price ?? "", `line_items[${index}][price]`);
  if (!price.active)
    throw new ApiError(`The price specified is inactive. This field only accepts active prices.`, {
      param: `line_items[${index}][price]`,
    });
  return { id: newId(world, "li"), price: price.id, quantity: item.quantity ?? 1 };
}

function newOrder(params: CreateInput, items: Order["items"]): Order {
  const given = {
    subscription: params.subscription_data,
    payment: params.payment_intent_data,
    setup: params.setup_intent_data,
  }[params.mode ?? "payment"];
  return {
    items,
    metadata: mergeMetadata({}, given?.metadata),
    description: given?.description ?? null,
    trialDays: params.subscription_data?.trial_period_days ?? 0,
    trialEnd: params.subscription_data?.trial_end ?? null,
    missingPaymentMethod:
      params.subscription_data?.trial_settings?.end_behavior.missing_payment_method ?? "create_invoice",
    discounts: params.discounts ?? [],
    paymentIntent: null,
    setupIntent: null,
    paymentMethod: null,
    notice: null,
  };
}
