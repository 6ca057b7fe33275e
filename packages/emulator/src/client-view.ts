/**
 * Limits responses to requests with a publishable key to the fields that a browser or a mobile app may see.
 * @see https://docs.stripe.com/api/payment_intents/object
 */

const PAYMENT_INTENT = [
  "allowed_payment_method_types",
  "amount",
  "amount_details",
  "automatic_payment_methods",
  "canceled_at",
  "cancellation_reason",
  "capture_method",
  "client_secret",
  "confirmation_method",
  "created",
  "currency",
  "description",
  "excluded_payment_method_types",
  "id",
  "last_payment_error",
  "livemode",
  "next_action",
  "object",
  "payment_method",
  "payment_method_configuration_details",
  "payment_method_types",
  "processing",
  "receipt_email",
  "setup_future_usage",
  "shipping",
  "source",
  "status",
];
const SETUP_INTENT = [
  "allowed_payment_method_types",
  "automatic_payment_methods",
  "cancellation_reason",
  "client_secret",
  "created",
  "description",
  "excluded_payment_method_types",
  "id",
  "last_setup_error",
  "livemode",
  "next_action",
  "object",
  "payment_method",
  "payment_method_configuration_details",
  "payment_method_types",
  "status",
  "usage",
];
const PAYMENT_METHOD = ["allow_redisplay", "billing_details", "card", "created", "id", "livemode", "object", "type"];
const HIDDEN_OF_CARD = ["fingerprint"];

const PUBLIC_FIELDS: Record<string, readonly string[]> = {
  payment_intent: PAYMENT_INTENT,
  setup_intent: SETUP_INTENT,
  payment_method: PAYMENT_METHOD,
};

/** Returns the fields of a value that a client may see. Objects of other types than intents and payment methods are empty. */
export function clientView(value: unknown): unknown {
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(clientView);
  const row = value as Record<string, unknown>;
  const type = row["object"];
  const shown = typeof type === "string" ? (PUBLIC_FIELDS[type] ?? []) : null;
  const names = Object.keys(row).filter((name) =>
    shown === null ? !HIDDEN_OF_CARD.includes(name) : shown.includes(name),
  );
  return Object.fromEntries(names.map((name) => [name, clientView(row[name])]));
}
