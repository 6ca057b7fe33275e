/** Payment methods: test cards only. @see https://docs.stripe.com/api/payment_methods */
import { z } from "zod";
import type { Api } from "../api.ts";
import { cardByNumber, cardByToken, type TestCard } from "../billing/test-cards.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, integer, listParams, metadata, mergeMetadata, text } from "../core/params.ts";
import { all, find, need, newId, type World } from "../core/world.ts";
import { needCustomer } from "./customers.ts";

export type PaymentMethod = ReturnType<typeof newPaymentMethod>;

const CreateParams = z.strictObject({
  type: z.literal("card"),
  card: z.union([
    z.strictObject({ number: text, exp_month: integer, exp_year: integer, cvc: text.optional() }),
    z.strictObject({ token: text }),
  ]),
  metadata: metadata.optional(),
  expand,
});
const AttachParams = z.strictObject({ customer: text, expand });
const ListParams = z.strictObject({ ...listParams, customer: text.optional(), type: z.literal("card").optional() });

export interface Expiry {
  month: number;
  year: number;
}

function newPaymentMethod(world: World, card: TestCard, expiry: Expiry, now: number) {
  return {
    id: newId(world, "pm"),
    object: "payment_method" as const,
    allow_redisplay: "unspecified",
    billing_details: {
      address: { city: null, country: null, line1: null, line2: null, postal_code: null, state: null },
      email: null,
      name: null,
      phone: null,
      tax_id: null,
    },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
      country: "US",
      display_brand: card.brand,
      exp_month: expiry.month,
      exp_year: expiry.year,
      fingerprint: `fp${card.number.slice(-8)}`,
      funding: "credit",
      generated_from: null,
      last4: card.number.slice(-4),
      networks: { available: [card.brand], preferred: null },
      regulated_status: "unregulated",
      three_d_secure_usage: { supported: true },
      wallet: null,
    },
    created: now,
    customer: null as string | null,
    customer_account: null,
    livemode: false as const,
    metadata: {} as Record<string, string>,
    type: "card" as const,
  };
}

export function createPaymentMethod(world: World, card: TestCard, expiry: Expiry): PaymentMethod {
  const method = newPaymentMethod(world, card, expiry, world.state.now);
  world.state.tables.payment_method.set(method.id, method);
  world.state.cardNumbers.set(method.id, card.number);
  return method;
}

/** An existing payment method, or a new one from a test token such as `pm_card_visa`. */
export function methodFromIdOrToken(world: World, idOrToken: string, param: string): PaymentMethod {
  const card = cardByToken(idOrToken);
  if (!card) return need(world, "payment_method", idOrToken, param);
  return createPaymentMethod(world, card, nextYear(world));
}

export function nextYear(world: World): Expiry {
  return { month: 12, year: new Date(world.state.now * 1000).getUTCFullYear() + 1 };
}

/** Saves a card to a customer. Throws the decline of cards that can't be saved. */
export function attach(world: World, method: PaymentMethod, customerId: string): void {
  if (method.customer === customerId) return;
  if (method.customer !== null)
    throw new ApiError("The payment method you provided has already been attached to a customer.", {
      code: "payment_method_unexpected_state",
    });
  const card = cardByNumber(world.state.cardNumbers.get(method.id) ?? "");
  if (card && !card.attaches && card.onSession.kind === "declines")
    throw new ApiError(card.onSession.message, {
      status: 402,
      type: "card_error",
      code: card.onSession.code,
      decline_code: card.onSession.declineCode,
    });
  method.customer = customerId;
  emit(world, "payment_method.attached", method);
}

export function paymentMethodRoutes(api: Api): void {
  api.post("/v1/payment_methods", CreateParams, (world, params) => {
    const card =
      "token" in params.card
        ? cardByToken(params.card.token.replace(/^tok_/, "pm_card_"))
        : cardByNumber(params.card.number);
    if (!card)
      throw new ApiError("Only Stripe's test cards work here: see https://docs.stripe.com/testing", {
        status: 402,
        type: "card_error",
        code: "incorrect_number",
        param: "card[number]",
      });
    const expiry =
      "number" in params.card ? { month: params.card.exp_month, year: params.card.exp_year } : nextYear(world);
    const method = createPaymentMethod(world, card, expiry);
    method.metadata = mergeMetadata({}, params.metadata);
    return method;
  });

  api.get("/v1/payment_methods", ListParams, (world, params) => {
    const rows = all(world, "payment_method").filter(
      (row) => params.customer === undefined || row.customer === params.customer,
    );
    return page(rows, params, "/v1/payment_methods");
  });

  api.get("/v1/payment_methods/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "payment_method", id),
  );

  api.post("/v1/payment_methods/:id/attach", AttachParams, (world, params, id) => {
    needCustomer(world, params.customer, "customer");
    const method = methodFromIdOrToken(world, id, "id");
    attach(world, method, params.customer);
    return method;
  });

  api.post("/v1/payment_methods/:id/detach", z.strictObject({ expand }), (world, _params, id) => {
    const method = need(world, "payment_method", id);
    if (method.customer === null)
      throw new ApiError("The payment method you provided is not attached to a customer so detachment is impossible.");
    const previous = { customer: method.customer };
    forget(world, method);
    method.customer = null;
    emit(world, "payment_method.detached", method, previous);
    return method;
  });
}

/** Nothing keeps a detached card as its default. */
function forget(world: World, method: PaymentMethod): void {
  const customer = find(world, "customer", method.customer ?? "");
  if (customer?.invoice_settings.default_payment_method === method.id) {
    customer.invoice_settings.default_payment_method = null;
    emit(world, "customer.updated", customer);
  }
  for (const subscription of all(world, "subscription"))
    if (subscription.default_payment_method === method.id) {
      subscription.default_payment_method = null;
      emit(world, "customer.subscription.updated", subscription, { default_payment_method: method.id });
    }
}
