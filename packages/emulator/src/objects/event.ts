/** Events. @see https://docs.stripe.com/api/events/object */
export interface StripeEvent {
  id: string;
  object: "event";
  /** The ID of the connected account; missing in events of the API key's own account. */
  account?: string;
  api_version: string;
  created: number;
  data: { object: object; previous_attributes?: Record<string, unknown> };
  livemode: false;
  pending_webhooks: number;
  request: { id: string | null; idempotency_key: string | null };
  type: string;
}
