/** Warns about webhook endpoints that are disabled, lack event types, or have another API version. */
import { ALLOWED_WEBHOOK_EVENTS } from "../stripe/webhook/event-types.ts";
import type { EndpointRecord, StripeGateway } from "../stripe/gateway/gateway.ts";

export interface EndpointContext {
  gateway: Pick<StripeGateway, "listEndpoints">;
  /** Path at the end of our webhook endpoint's URL. */
  webhookPath: string;
  /** The version of Stripe's API that this software is written for. */
  apiVersion: string;
}

/**
 * Returns one sentence for each problem in the settings of our webhook endpoints at Stripe. If the Stripe key lacks the
 * permission to list webhook endpoints, returns a warning instead of throwing.
 */
export async function checkEndpoints(context: EndpointContext): Promise<string[]> {
  try {
    return warningsOf(await context.gateway.listEndpoints(), context);
  } catch (error) {
    return [
      `Stripe's webhook endpoints could not be checked: ${error instanceof Error ? error.message : String(error)}`,
    ];
  }
}

function warningsOf(endpoints: readonly EndpointRecord[], { webhookPath, apiVersion }: EndpointContext): string[] {
  const ours = endpoints.filter(({ url }) => URL.canParse(url) && pathOf(url).endsWith(webhookPath));
  if (ours.length === 0)
    return [`No webhook endpoint at Stripe ends with ${webhookPath}: events arrive only by reconcile. Create one.`];
  return ours.flatMap((endpoint) => warningsOfEndpoint(endpoint, apiVersion));
}

/** Returns the path of a URL without the slash at its end, because the service accepts webhooks with and without this slash. */
function pathOf(url: string): string {
  return new URL(url).pathname.replace(/\/$/, "");
}

function warningsOfEndpoint({ id, enabled, events, apiVersion: version }: EndpointRecord, pinned: string): string[] {
  if (!enabled) return [`Webhook endpoint ${id} is disabled: Stripe sends it no events. Enable it.`];
  const missing = events.includes("*")
    ? []
    : [...ALLOWED_WEBHOOK_EVENTS.keys()].filter((type) => !events.includes(type));
  return [
    ...(missing.length > 0 ? [`Webhook endpoint ${id} does not receive ${missing.join(", ")}: add them.`] : []),
    // A webhook endpoint with another API version causes only a warning, because the content of events is never used.
    ...(version !== null && version !== pinned
      ? [`Webhook endpoint ${id} has API version ${version}, not ${pinned}: replace it when convenient.`]
      : []),
  ];
}
