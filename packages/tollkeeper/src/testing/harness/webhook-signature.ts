/** Signs webhooks as Stripe does. @see https://docs.stripe.com/webhooks?verify=verify-manually */
import { createHmac } from "node:crypto";
import { TEST_APP_URL, TEST_WEBHOOK_SECRET } from "./constants.ts";

export interface SignatureOptions {
  /** Epoch milliseconds. */
  now: number;
  secret?: string;
  /**
   * For test events, Stripe also sends a signature of the scheme "v0". The service accepts only signatures of the scheme "v1".
   */
  scheme?: "v0" | "v1";
}

/** Returns the value of the `Stripe-Signature` header. */
export function signWebhook(
  body: string,
  { now, secret = TEST_WEBHOOK_SECRET, scheme = "v1" }: SignatureOptions,
): string {
  const seconds = Math.floor(now / 1_000);
  return `t=${seconds},${scheme}=${createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex")}`;
}

export interface SignedWebhookOptions extends SignatureOptions {
  /** The default URL is the one of the test app's webhook endpoint. */
  url?: string;
}

/** Returns a signed webhook request that delivers an event. */
export function signedWebhook(body: string, options: SignedWebhookOptions): Request {
  const headers = { "content-type": "application/json", "stripe-signature": signWebhook(body, options) };
  return new Request(options.url ?? `${TEST_APP_URL}/stripe/webhook`, { method: "POST", headers, body });
}
