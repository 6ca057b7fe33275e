/** The card details of requests that create a payment method, by themselves or with an intent. */
import { z } from "zod";
import { createPaymentMethod, methodFromIdOrToken, nextYear } from "../billing/payment-methods.ts";
import { cardByNumber, cardByToken } from "../billing/test-cards.ts";
import { ApiError } from "../core/errors.ts";
import { integer, mergeMetadata, metadata, text } from "../core/params.ts";
import type { Context } from "../core/state.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";

export const billingDetails = z.strictObject({
  address: z.record(z.string(), text).optional(),
  email: text.optional(),
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
  if (!testCard)
    throw new ApiError("Only Stripe's test cards work here: see https://docs.stripe.com/testing", {
      status: 402,
      type: "card_error",
      code: "incorrect_number",
      param: `${param}[number]`,
    });
  const expiry = "number" in data.card ? { month: data.card.exp_month, year: data.card.exp_year } : nextYear(context);
  const method = createPaymentMethod(context, testCard, expiry);
  setBillingDetails(method, data.billing_details);
  method.allow_redisplay = data.allow_redisplay ?? "unspecified";
  method.metadata = mergeMetadata({}, data.metadata);
  return method;
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
  if (params.payment_method !== undefined && params.payment_method_data !== undefined)
    throw new ApiError("You may only specify one of these parameters: payment_method, payment_method_data.", {
      code: "parameters_exclusive",
      param: "payment_method",
    });
  if (params.payment_method_data !== undefined)
    return methodFromData(context, params.payment_method_data, "payment_method_data[card]");
  if (params.payment_method === undefined) return null;
  return methodFromIdOrToken(context, params.payment_method, "payment_method");
}
