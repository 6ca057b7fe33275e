/**
 * Describes declined payments, and builds the API's card errors.
 * @see https://docs.stripe.com/declines/card#retrying-issuer-declines
 */
import { ApiError, docUrl } from "../core/errors.ts";
import type { PaymentError } from "../objects/payment-intent.ts";
import type { PaymentMethod } from "../objects/payment-method.ts";
import type { Decline } from "./test-cards.ts";

interface Advice {
  advice_code: "confirm_card_data" | "do_not_try_again" | "try_again_later";
  network_decline_code?: string;
}

/** The issuer's advice for each decline code. Other decline codes have no advice. */
const ADVICE: Record<string, Advice> = {
  generic_decline: { advice_code: "try_again_later", network_decline_code: "01" },
  insufficient_funds: { advice_code: "try_again_later", network_decline_code: "51" },
  processing_error: { advice_code: "try_again_later" },
  lost_card: { advice_code: "do_not_try_again", network_decline_code: "41" },
  stolen_card: { advice_code: "do_not_try_again", network_decline_code: "43" },
  expired_card: { advice_code: "confirm_card_data", network_decline_code: "54" },
  incorrect_cvc: { advice_code: "confirm_card_data" },
};

/** Returns the error that payment intents and setup intents show for a declined card. */
export function paymentErrorOf({ code, declineCode, message }: Decline): PaymentError {
  return {
    ...(Object.hasOwn(ADVICE, declineCode) && ADVICE[declineCode]),
    code,
    decline_code: declineCode,
    doc_url: docUrl(code),
    message,
    type: "card_error",
  };
}

/** The objects that a card error names besides the error itself. */
interface NamedObjects {
  charge?: string | null;
  payment_intent?: object;
  payment_method?: PaymentMethod | undefined;
  setup_intent?: object;
}

/** Returns the 402 error for a failed payment or setup. The changes of the request are kept if `keepsEffects` is true. */
export function cardError(
  { message, type, code, doc_url: _docUrl, ...failure }: PaymentError,
  { charge, payment_method: method, ...named }: NamedObjects = {},
  keepsEffects = true,
): ApiError {
  return new ApiError(message, {
    ...failure,
    ...named,
    ...(charge && { charge }),
    ...(method && { payment_method: { ...method } }),
    status: 402,
    keepsEffects,
    type,
    code,
  });
}
