/** The card details of requests that create a payment method, by themselves or with an intent. */
import { z } from "zod";
import { createPaymentMethod, methodFromIdOrToken, nextYear, refreshChecks } from "../billing/payment-methods.ts";
import { cardByNumber, cardByToken, hasValidCheckDigit } from "../billing/test-cards.ts";
import { ApiError, resourceMissing } from "../core/errors.ts";
import { email, integer, mergeMetadata, metadata, refuseBoth, text, unsettable } from "../core/params.ts";
import type { Context } from "../core/state.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";

export const billingDetails = z.strictObject({
  address: z.record(z.string(), text).optional(),
  email: unsettable(email).optional(),
  name: text.optional(),
  phone: text.optional(),
});
export const allowRedisplay = z.enum(["always", "limited", "unspecified"]);
const card = z.union([
  z.strictObject({ number: text, exp_month: integer, exp_year: integer, cvc: text.optional() }),
  z.strictObject({ token: text }),
]);

/** The parameters of a new payment method. */
export const methodFields = {
  type: z.literal("card"),
  card,
  allow_redisplay: allowRedisplay.optional(),
  billing_details: billingDetails.optional(),
  metadata: metadata.optional(),
};
export const methodData = z.strictObject(methodFields);
type MethodData = z.output<typeof methodData>;

/** Creates a payment method from card details. `param` is the name of the parameter that contains the card. */
export function methodFromData(context: Context, data: MethodData, param: string): PaymentMethod {
  const testCard =
    "token" in data.card ? cardByToken(data.card.token.replace(/^tok_/, "pm_card_")) : cardByNumber(data.card.number);
  if (!testCard) throw unknownCard(data.card, param);
  const expiry = "number" in data.card ? { month: data.card.exp_month, year: data.card.exp_year } : nextYear(context);
  const method = createPaymentMethod(context, testCard, expiry);
  setBillingDetails(method, data.billing_details);
  refreshChecks(context, method);
  method.allow_redisplay = data.allow_redisplay ?? "unspecified";
  method.metadata = mergeMetadata({}, data.metadata);
  return method;
}

/** Returns Stripe's error for a number that is invalid, or for a card that is no test card. */
function unknownCard(given: MethodData["card"], param: string): ApiError {
  const refused = { status: 402, type: "card_error" } as const;
  if ("number" in given && !hasValidCheckDigit(given.number))
    return new ApiError("Your card number is incorrect.", {
      ...refused,
      code: "incorrect_number",
      param: `${param}[number]`,
    });
  if ("token" in given) return resourceMissing("token", given.token, `${param}[token]`);
  return new ApiError(
    "Your card was declined. Your request was in test mode, but used a non test card. For a list of valid test cards, visit: https://stripe.com/docs/testing.",
    { ...refused, code: "card_declined", decline_code: "test_mode_live_card" },
  );
}

export function setBillingDetails(method: PaymentMethod, given: z.output<typeof billingDetails> | undefined): void {
  const { address, ...rest } = given ?? {};
  Object.assign(method.billing_details, rest);
  Object.assign(method.billing_details.address, address ?? {});
}

interface GivenMethod {
  payment_method?: string | undefined;
  payment_method_data?: MethodData | undefined;
}

/** Returns the payment method that a request names or creates; null if the request has none. */
export function givenMethod(context: Context, params: GivenMethod): PaymentMethod | null {
  refuseBoth(params, "payment_method", "payment_method_data");
  if (params.payment_method_data !== undefined)
    return methodFromData(context, params.payment_method_data, "payment_method_data[card]");
  if (params.payment_method === undefined) return null;
  return methodFromIdOrToken(context, params.payment_method, "payment_method");
}
