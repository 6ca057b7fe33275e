/**
 * Lists the test cards that Stripe documents, grouped by their effect.
 * @see https://docs.stripe.com/testing
 */
import type { NewCard } from "../objects/payment-method.ts";
import type { DisputeReason } from "../objects/dispute.ts";
import { COUNTRY_CARDS } from "./test-card-countries.ts";

export type CardOutcome =
  | { kind: "succeeds" }
  | { kind: "declines"; code: string; declineCode: string; message: string }
  /** `afterwards` is the decline that follows a completed 3-D Secure. Default: the payment succeeds. */
  | { kind: "authenticates"; afterwards?: Decline };

export interface Decline {
  kind: "declines";
  code: string;
  declineCode: string;
  message: string;
}

export const CARD_GROUPS = [
  "Payment succeeds",
  "Payment is declined",
  "3-D Secure",
  "Risk and checks",
  "Disputes",
  "Refunds and balance",
  "Countries",
] as const;
export type CardGroup = (typeof CARD_GROUPS)[number];

export interface TestCard extends NewCard {
  group: CardGroup;
  /** Additional card numbers that behave the same as the test card's main number. */
  otherNumbers?: readonly string[];
  /** The test ID of the card's payment method, such as `pm_card_visa`. Undefined if Stripe documents no ID for the card. */
  token?: string;
  /** The result of a payment while the customer is present. */
  onSession: CardOutcome;
  /** The result of a later payment for which the customer is not present. */
  offSession: CardOutcome;
  /** The result of saving the card without a payment. */
  onSetup: CardOutcome;
  /** True if the card can be attached to a customer. */
  attaches: boolean;
  /**
   * The reason of the dispute that follows each payment with this card. The dispute reason is undefined if payments with the
   * test card cause no dispute.
   */
  disputes?: DisputeReason;
  /**
   * The later change of each refund to this card: a pending refund succeeds, or a succeeded refund fails. Undefined if refunds
   * succeed at once.
   */
  refunds?: "pending" | "fails";
  /** The risk of payments with this card. Default: normal. */
  risk?: "elevated" | "highest";
  /** True if the money of a payment is available at once. Default: it is pending at first. */
  bypassesPending?: boolean;
  /** The description of the card on the emulator's pages. */
  label: string;
}

const succeeds: CardOutcome = { kind: "succeeds" };
const authenticates: CardOutcome = { kind: "authenticates" };

export function declines(message: string, declineCode: string, code = "card_declined"): Decline {
  return { kind: "declines", code, declineCode, message };
}

const declined = declines("Your card was declined.", "generic_decline");
const insufficient = declines("Your card has insufficient funds.", "insufficient_funds");
/** @see https://docs.stripe.com/declines#blocked-payments */
const blocked = declines("Your card was declined.", "fraudulent");

type Entry = [number: string, token: string | null, label: string, more?: Partial<TestCard>];

function group(name: CardGroup, usual: Partial<TestCard>, entries: readonly Entry[]): TestCard[] {
  return entries.map(([number, token, label, more = {}]) => {
    const given = { ...usual, ...more };
    const onSession = given.onSession ?? succeeds;
    const attaches = given.attaches ?? onSession.kind !== "declines";
    return {
      brand: "visa",
      offSession: onSession,
      onSetup: attaches && onSession.kind === "declines" ? succeeds : setupOf(onSession),
      ...given,
      group: name,
      number,
      label,
      onSession,
      attaches,
      ...(token !== null && { token }),
    };
  });
}

function setupOf(onSession: CardOutcome): CardOutcome {
  return onSession.kind === "authenticates" ? authenticates : onSession;
}

export const TEST_CARDS: readonly TestCard[] = [
  ...group("Payment succeeds", {}, [
    ["4242424242424242", "pm_card_visa", "Visa"],
    ["4000056655665556", "pm_card_visa_debit", "Visa (debit)", { funding: "debit" }],
    [
      "5555555555554444",
      "pm_card_mastercard",
      "Mastercard",
      { brand: "mastercard", otherNumbers: ["2223003122003222"] },
    ],
    ["5200828282828210", "pm_card_mastercard_debit", "Mastercard (debit)", { brand: "mastercard", funding: "debit" }],
    [
      "5105105105105100",
      "pm_card_mastercard_prepaid",
      "Mastercard (prepaid)",
      { brand: "mastercard", funding: "prepaid" },
    ],
    ["371449635398431", "pm_card_amex", "American Express", { brand: "amex" }],
    ["6011000990139424", "pm_card_discover", "Discover", { brand: "discover", otherNumbers: ["6011111111111117"] }],
    ["6011981111111113", null, "Discover (debit)", { brand: "discover", funding: "debit" }],
    ["3056930009020004", "pm_card_diners", "Diners Club", { brand: "diners" }],
    ["36227206271667", null, "Diners Club (14 digits)", { brand: "diners" }],
    ["3566002020360505", "pm_card_jcb", "JCB", { brand: "jcb", country: "JP" }],
    ["6200000000000005", "pm_card_unionpay", "UnionPay", { brand: "unionpay", country: "CN" }],
    ["6200000000000047", null, "UnionPay (debit)", { brand: "unionpay", country: "CN", funding: "debit" }],
    ["6205500000000000004", null, "UnionPay (19 digits)", { brand: "unionpay", country: "CN" }],
    [
      "4000002500001001",
      "pm_card_visa_cartesBancaires",
      "Cartes Bancaires and Visa",
      { country: "FR", networks: ["cartes_bancaires", "visa"] },
    ],
    [
      "5555552500001001",
      "pm_card_mastercard_cartesBancaires",
      "Cartes Bancaires and Mastercard",
      { brand: "mastercard", country: "FR", networks: ["cartes_bancaires", "mastercard"] },
    ],
  ]),
  ...group("Payment is declined", {}, [
    ["4000000000000002", "pm_card_chargeDeclined", "Declined", { onSession: declined }],
    ["4000000000009995", "pm_card_chargeDeclinedInsufficientFunds", "Insufficient funds", { onSession: insufficient }],
    [
      "4000000000009987",
      "pm_card_chargeDeclinedLostCard",
      "Lost card",
      { onSession: declines("Your card was declined.", "lost_card") },
    ],
    [
      "4000000000009979",
      "pm_card_chargeDeclinedStolenCard",
      "Stolen card",
      { onSession: declines("Your card was declined.", "stolen_card") },
    ],
    [
      "4000000000000069",
      "pm_card_chargeDeclinedExpiredCard",
      "Expired card",
      { onSession: declines("Your card has expired.", "expired_card", "expired_card") },
    ],
    [
      "4000000000000127",
      "pm_card_chargeDeclinedIncorrectCvc",
      "Wrong CVC",
      { onSession: declines("Your card's security code is incorrect.", "incorrect_cvc", "incorrect_cvc") },
    ],
    [
      "4000000000000119",
      "pm_card_chargeDeclinedProcessingError",
      "Processing error",
      {
        onSession: declines(
          "An error occurred while processing your card. Try again in a little bit.",
          "processing_error",
          "processing_error",
        ),
      },
    ],
    [
      "4000000000006975",
      "pm_card_chargeDeclinedVelocityLimitExceeded",
      "Velocity limit exceeded",
      {
        onSession: declines(
          "Your card was declined for making repeated attempts too frequently or exceeding its amount limit.",
          "card_velocity_exceeded",
        ),
      },
    ],
    [
      "4000000000000341",
      "pm_card_chargeCustomerFail",
      "Saves, then every charge fails",
      { onSession: declined, attaches: true },
    ],
  ]),
  ...group("3-D Secure", { onSession: authenticates }, [
    [
      "4000002500003155",
      "pm_card_authenticationRequiredOnSetup",
      "Asked for once",
      { offSession: succeeds, country: "FR" },
    ],
    ["4000002760003184", "pm_card_authenticationRequired", "Asked for each time", { country: "DE" }],
    [
      "4000003800000446",
      "pm_card_authenticationRequiredSetupForOffSession",
      "Asked for only while the customer is present",
      { offSession: succeeds, country: "IT" },
    ],
    ["4000000000003220", "pm_card_threeDSecure2Required", "Required"],
    [
      "4000008400001629",
      "pm_card_threeDSecureRequiredChargeDeclined",
      "Required, then declined",
      { onSession: { kind: "authenticates", afterwards: declined } },
    ],
    [
      "4000008260003178",
      "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds",
      "Required, then insufficient funds",
      { onSession: { kind: "authenticates", afterwards: insufficient }, offSession: insufficient, country: "GB" },
    ],
    [
      "4000008400001280",
      "pm_card_threeDSecureRequiredProcessingError",
      "Required, but fails with an error",
      { onSession: declined, attaches: true },
    ],
    ["4000000000003055", "pm_card_threeDSecureOptional", "Supported, not required", { onSession: succeeds }],
    [
      "4000000000003097",
      "pm_card_threeDSecureOptionalProcessingError",
      "Supported, not required, fails with an error",
      { onSession: succeeds },
    ],
    [
      "378282246310005",
      "pm_card_amex_threeDSecureNotSupported",
      "Not supported (American Express)",
      { onSession: succeeds, brand: "amex", threeDSecure: false },
    ],
  ]),
  ...group("Risk and checks", {}, [
    [
      "4100000000000019",
      "pm_card_radarBlock",
      "Always blocked",
      { onSession: blocked, attaches: true, risk: "highest" },
    ],
    [
      "4000000000004954",
      "pm_card_riskLevelHighest",
      "Highest risk, blocked",
      { onSession: blocked, attaches: true, risk: "highest" },
    ],
    ["4000000000009235", "pm_card_riskLevelElevated", "Elevated risk", { risk: "elevated" }],
    ["4000000000000101", "pm_card_cvcCheckFail", "The check of the CVC fails", { failedChecks: ["cvc"] }],
    ["4000000000000036", "pm_card_avsZipFail", "The check of the postal code fails", { failedChecks: ["postal_code"] }],
    ["4000000000000028", "pm_card_avsLine1Fail", "The check of the address fails", { failedChecks: ["line1"] }],
    [
      "4000000000000010",
      "pm_card_avsFail",
      "The checks of address and postal code fail",
      { failedChecks: ["line1", "postal_code"] },
    ],
    ["4000000000000044", "pm_card_avsUnchecked", "The address can't be checked", { addressUnavailable: true }],
  ]),
  ...group("Disputes", {}, [
    ["4000000000000259", "pm_card_createDispute", "Disputed as fraudulent", { disputes: "fraudulent" }],
    [
      "4000000000002685",
      "pm_card_createDisputeProductNotReceived",
      "Disputed as not received",
      { disputes: "product_not_received" },
    ],
    ["4000000000001976", "pm_card_createDisputeInquiry", "An inquiry opens", { disputes: "inquiry" }],
  ]),
  ...group("Refunds and balance", {}, [
    ["4000000000007726", "pm_card_pendingRefund", "Refunds are pending at first", { refunds: "pending" }],
    ["4000000000005126", "pm_card_refundFail", "Refunds fail later", { refunds: "fails" }],
    ["4000000000000077", "pm_card_bypassPending", "The money is available at once", { bypassesPending: true }],
    [
      "4000003720000278",
      "pm_card_bypassPendingInternational",
      "The money is available at once (Ireland)",
      { bypassesPending: true, country: "IE" },
    ],
  ]),
  ...group(
    "Countries",
    {},
    COUNTRY_CARDS.map(([number, code]): Entry => [
      number,
      `pm_card_${code.toLowerCase()}`,
      nameOf(code),
      { country: code },
    ]),
  ),
];

function nameOf(code: string): string {
  return new Intl.DisplayNames("en", { type: "region" }).of(code) ?? code;
}
