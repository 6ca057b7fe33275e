/** Parameters that Stripe takes from browser and mobile clients, and that the types of the server's SDK lack. */
type Types = Record<string, unknown>;

const INTENT_PARAMS = ["PaymentIntent", "SetupIntent"].flatMap((intent) =>
  ["Create", "Update", "Confirm"].map((verb) => `${intent}${verb}Params`),
);

/** Adds the cards of `payment_method_data`, and the client secret with which a client confirms an intent. */
export function addUntypedParams(definitions: Record<string, Types>): void {
  const card = definitions["PaymentMethodCreateParams"]?.["card"];
  for (const name of INTENT_PARAMS) {
    const data = definitions[`${name}.PaymentMethodData`];
    if (data && card) Object.assign(data, { card, type: withCard(data["type"]) });
    const params = definitions[name];
    if (params && name.includes("Confirm")) params["client_secret"] = { optional: "string" };
  }
}

function withCard(type: unknown): unknown {
  const { enum: types = [] } = type as { enum?: string[] };
  return { enum: ["card", ...types] };
}
