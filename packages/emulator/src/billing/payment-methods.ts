/** Cards: test cards only, made from numbers and tokens, and saved to customers. */
import { ApiError } from "../core/errors.ts";
import { change, emit } from "../core/events.ts";
import { newId } from "../core/ids.ts";
import { find, insert, need, now, of, type World } from "../core/world.ts";
import { cardByNumber, cardByToken, type TestCard } from "./test-cards.ts";

export type PaymentMethod = ReturnType<typeof newPaymentMethod>;

export interface Expiry {
  month: number;
  year: number;
}

function newPaymentMethod(world: World, card: TestCard, expiry: Expiry) {
  return {
    id: newId(world, "pm"),
    object: "payment_method" as const,
    allow_redisplay: "unspecified",
    billing_details: {
      address: {
        city: null as string | null,
        country: null as string | null,
        line1: null as string | null,
        line2: null as string | null,
        postal_code: null as string | null,
        state: null as string | null,
      },
      email: null as string | null,
      name: null as string | null,
      phone: null as string | null,
      tax_id: null,
    },
    card: {
      brand: card.brand,
      checks: { address_line1_check: null, address_postal_code_check: null, cvc_check: "pass" },
      country: countryOf(card),
      display_brand: card.brand === "amex" ? "american_express" : (card.brand as string),
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
    created: now(world),
    customer: null as string | null,
    customer_account: null,
    livemode: false as const,
    metadata: {} as Record<string, string>,
    type: "card" as const,
  };
}

/** Numbers of test cards from elsewhere name their country: 4000 and its ISO number. */
function countryOf({ number }: TestCard): string {
  return number.startsWith("4000002760") ? "DE" : "US";
}

export function createPaymentMethod(world: World, card: TestCard, expiry: Expiry): PaymentMethod {
  const method = insert(world, "payment_method", newPaymentMethod(world, card, expiry));
  world.account.cardNumbers.set(method.id, card.number);
  return method;
}

/** An existing payment method, or a new one from a test token such as `pm_card_visa`. */
export function methodFromIdOrToken(world: World, idOrToken: string, param: string): PaymentMethod {
  const card = cardByToken(idOrToken);
  if (!card) return need(world, "payment_method", idOrToken, param);
  return createPaymentMethod(world, card, nextYear(world));
}

export function nextYear(world: World): Expiry {
  return { month: 12, year: new Date(now(world) * 1000).getUTCFullYear() + 1 };
}

/** Saves a card to a customer. Throws the decline of cards that can't be saved. */
export function attach(world: World, method: PaymentMethod, customerId: string): void {
  if (method.customer === customerId) return;
  if (method.customer !== null)
    throw new ApiError("The payment method you provided has already been attached to a customer.", {
      code: "payment_method_unexpected_state",
    });
  const card = cardByNumber(world.account.cardNumbers.get(method.id) ?? "");
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

/** Takes it away from its customer; nothing keeps it as its default. */
export function detach(world: World, method: PaymentMethod): void {
  forget(world, method);
  change(world, "payment_method.detached", method, (row) => {
    row.customer = null;
  });
}

function forget(world: World, method: PaymentMethod): void {
  const customer = find(world, "customer", method.customer);
  if (!customer) return;
  change(world, "customer.updated", customer, ({ invoice_settings: settings }) => {
    if (settings.default_payment_method === method.id) settings.default_payment_method = null;
  });
  for (const subscription of of(world, "subscription", "customer", customer.id))
    change(world, "customer.subscription.updated", subscription, (row) => {
      if (row.default_payment_method === method.id) row.default_payment_method = null;
    });
}
