/** What a person should look at in Stripe's dashboard: webhook endpoints that are off, miss events, or have another version. */
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import type { EndpointRecord, StripeGateway } from "../stripe/gateway/gateway.ts";

export interface EndpointContext {
  gateway: Pick<StripeGateway, "listEndpoints">;
  /** Where Stripe's webhooks arrive, as far as it is known: the path that an endpoint's URL ends with. */
  webhookPath: string;
  apiVersion: string;
}

/** A key that may not look at them is no reason to leave the mirror as it is. */
export async function lookAtEndpoints(context: EndpointContext): Promise<string[]> {
  try {
    return alarmsOf(await context.gateway.listEndpoints(), context);
  } catch (error) {
    return [
      `Stripe's webhook endpoints could not be looked at: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}

function alarmsOf(endpoints: readonly EndpointRecord[], { webhookPath, apiVersion }: EndpointContext): string[] {
  const ours = endpoints.filter(({ url }) => URL.canParse(url) && new URL(url).pathname.endsWith(webhookPath));
  if (ours.length === 0)
    return [`No webhook endpoint of Stripe ends with ${webhookPath}: events arrive by reconcile alone.`];
  return ours.flatMap((endpoint) => alarmsOfEndpoint(endpoint, apiVersion));
}

function alarmsOfEndpoint({ id, enabled, events, apiVersion: version }: EndpointRecord, pinned: string): string[] {
  if (!enabled) return [`Webhook endpoint ${id} is disabled: Stripe sends it nothing until it is enabled.`];
  const missing = events.includes("*")
    ? []
    : [...ALLOWED_WEBHOOK_EVENTS.keys()].filter((type) => !events.includes(type));
  return [
    ...(missing.length > 0 ? [`Webhook endpoint ${id} is not sent ${missing.join(", ")}: add them.`] : []),
    // What is in an event is never used, so this is no fault yet.
    ...(version !== null && version !== pinned
      ? [`Webhook endpoint ${id} has API version ${version}, not ${pinned}: make a new one when you can.`]
      : []),
  ];
}
