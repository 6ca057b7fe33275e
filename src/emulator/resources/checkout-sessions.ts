/** Checkout sessions and their completion. @see https://docs.stripe.com/api/checkout/sessions */
import { z } from "zod";
import type { Api } from "../api.ts";
import { confirmCheckout, expireCheckout } from "../billing/checkout.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, integer, listParams, mergeMetadata, metadata, text, url } from "../core/params.ts";
import { setTimer } from "../core/timers.ts";
import { all, need, newId, type World } from "../core/world.ts";
import { needCustomer } from "./customers.ts";
import { recurringPrice } from "./subscriptions.ts";

export type CheckoutSession = ReturnType<typeof newCheckoutSession>;

const LIFETIME = 24 * 3_600;
const MIN_LIFETIME = 1_800;

const CreateParams = z.strictObject({
  mode: z.literal("subscription", "this emulator's checkout sells subscriptions"),
  customer: text,
  client_reference_id: text.max(200).optional(),
  line_items: z
    .array(z.strictObject({ price: text, quantity: integer.pipe(z.number().min(1)).optional() }))
    .min(1)
    .max(20),
  success_url: url,
  cancel_url: url.optional(),
  expires_at: integer.optional(),
  allow_promotion_codes: flag.optional(),
  metadata: metadata.optional(),
  subscription_data: z
    .strictObject({
      metadata: metadata.optional(),
      trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
    })
    .optional(),
  expand,
});
const ListParams = z.strictObject({
  ...listParams,
  customer: text.optional(),
  subscription: text.optional(),
  status: text.optional(),
});
const ConfirmParams = z.strictObject({ payment_method: text, key: text.optional(), expand });

type CreateInput = z.output<typeof CreateParams>;

function newCheckoutSession(world: World, params: CreateInput) {
  const { now } = world.state;
  const id = newId(world, "cs_test", 58);
  const items = params.line_items.map(({ price, quantity }, index) => ({
    price: recurringPrice(world, price, `line_items[${index}][price]`).id,
    quantity: quantity ?? 1,
  }));
  const prices = items.map((item) => need(world, "price", item.price, "line_items"));
  const subtotal = items.reduce((sum, item, index) => sum + (prices[index]?.unit_amount ?? 0) * item.quantity, 0);
  const customer = needCustomer(world, params.customer, "customer");
  const total = params.subscription_data?.trial_period_days ? 0 : subtotal;
  return {
    id,
    object: "checkout.session" as const,
    adaptive_pricing: { enabled: false },
    after_expiration: null,
    allow_promotion_codes: params.allow_promotion_codes ?? null,
    amount_subtotal: total,
    amount_total: total,
    automatic_tax: { enabled: false, liability: null, provider: null, status: null },
    billing_address_collection: null,
    cancel_url: params.cancel_url ?? null,
    client_reference_id: params.client_reference_id ?? null,
    client_secret: null,
    consent: null,
    consent_collection: null,
    created: now,
    currency: prices[0]?.currency ?? "usd",
    custom_fields: [],
    customer: customer.id,
    customer_account: null,
    customer_creation: null,
    customer_details: {
      address: null,
      email: customer.email,
      name: customer.name,
      phone: null,
      tax_exempt: "none",
      tax_ids: null,
    },
    customer_email: null,
    discounts: [],
    expires_at: params.expires_at ?? now + LIFETIME,
    invoice: null as string | null,
    invoice_creation: null,
    livemode: false as const,
    locale: null,
    metadata: mergeMetadata({}, params.metadata),
    mode: params.mode,
    payment_intent: null as string | null,
    payment_link: null,
    payment_method_collection: "always",
    payment_method_types: ["card"],
    payment_status: (total === 0 ? "no_payment_required" : "unpaid") as "unpaid" | "paid" | "no_payment_required",
    phone_number_collection: { enabled: false },
    recovered_from: null,
    setup_intent: null,
    shipping_address_collection: null,
    shipping_cost: null,
    shipping_options: [],
    status: "open" as "open" | "complete" | "expired",
    submit_type: null,
    subscription: null as string | null,
    success_url: params.success_url,
    total_details: { amount_discount: 0, amount_shipping: 0, amount_tax: 0 },
    ui_mode: "hosted_page",
    url: `${world.baseUrl}/c/pay/${id}` as string | null,
  };
}

export function checkoutSessionRoutes(api: Api): void {
  api.post("/v1/checkout/sessions", CreateParams, (world, params) => {
    const session = newCheckoutSession(world, params);
    const { now } = world.state;
    if (session.expires_at < now + MIN_LIFETIME || session.expires_at > now + LIFETIME)
      throw new ApiError("The `expires_at` timestamp must be between 30 minutes and 24 hours from now.", {
        param: "expires_at",
      });
    world.state.tables["checkout.session"].set(session.id, session);
    world.state.orders.set(session.id, {
      items: params.line_items.map(({ price, quantity }) => ({ price, quantity: quantity ?? 1 })),
      metadata: mergeMetadata({}, params.subscription_data?.metadata),
      trialDays: params.subscription_data?.trial_period_days ?? 0,
      paymentIntent: null,
      paymentMethod: null,
      notice: null,
    });
    setTimer(world, "session_expires", session.id, session.expires_at);
    return session;
  });

  api.get("/v1/checkout/sessions", ListParams, (world, params) => {
    const rows = all(world, "checkout.session").filter(
      (row) =>
        (params.customer === undefined || row.customer === params.customer) &&
        (params.subscription === undefined || row.subscription === params.subscription) &&
        (params.status === undefined || row.status === params.status),
    );
    return page(rows, params, "/v1/checkout/sessions");
  });

  api.get("/v1/checkout/sessions/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "checkout.session", id),
  );

  api.post("/v1/checkout/sessions/:id/expire", z.strictObject({ expand }), (world, _params, id) => {
    const session = need(world, "checkout.session", id);
    if (session.status !== "open")
      throw new ApiError(
        `Only Checkout Sessions with a status in ["open"] can be expired. This Checkout Session has a status of ${session.status}.`,
      );
    expireCheckout(world, session);
    return session;
  });

  api.publicPost("/v1/payment_pages/:id/confirm", ConfirmParams, (world, params, id) => {
    const session = need(world, "checkout.session", id);
    const outcome = confirmCheckout(world, session, params.payment_method);
    if (outcome.kind === "declined") throw new ApiError(outcome.error.message, { ...outcome.error, status: 402 });
    return outcome.kind === "challenge" ? { ...session, next_action: outcome.nextAction } : session;
  });
}
