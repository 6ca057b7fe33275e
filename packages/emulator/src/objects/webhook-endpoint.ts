/** Webhook endpoints. @see https://docs.stripe.com/api/webhook_endpoints/object */
import { now } from "../core/clock.ts";
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type WebhookEndpoint = ReturnType<typeof newWebhookEndpoint>;

export interface EndpointInput {
  url: string;
  secret?: string | undefined;
  /** The event types that the endpoint receives. Default: all types. */
  enabledEvents?: readonly string[] | undefined;
  /** The payload style "snapshot" sends events with whole objects; the style "thin" sends thin events. Default "snapshot". */
  payload?: "snapshot" | "thin" | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | undefined;
}

export function newWebhookEndpoint(source: ObjectSource, input: EndpointInput, apiVersion: string | null = null) {
  return {
    id: newId(source, "we"),
    object: "webhook_endpoint" as const,
    api_version: apiVersion,
    application: null,
    created: now(source),
    description: input.description ?? null,
    enabled_events: [...(input.enabledEvents ?? ["*"])],
    livemode: false as const,
    metadata: input.metadata ?? {},
    status: "enabled" as "enabled" | "disabled",
    url: input.url,
  };
}
