/** Webhook endpoints. @see https://docs.stripe.com/api/webhook_endpoints */
import { z } from "zod";
import type { Api } from "../api.ts";
import { page } from "../core/lists.ts";
import { expand, listParams, text, url } from "../core/params.ts";
import { all, API_VERSION, need, newId, type World } from "../core/world.ts";

export type WebhookEndpoint = ReturnType<typeof newEndpoint>;

export interface EndpointInput {
  url: string;
  secret?: string | undefined;
  /** Default: all. */
  enabledEvents?: readonly string[] | undefined;
  /** Whole objects, or thin notifications. Default snapshot. */
  payload?: "snapshot" | "thin" | undefined;
}

const CreateParams = z.strictObject({
  url,
  enabled_events: z.array(text).min(1),
  description: text.optional(),
  expand,
});

/** Adds an endpoint, or finds the one with the same URL. */
export function addEndpoint(world: World, input: EndpointInput): WebhookEndpoint {
  const known = all(world, "webhook_endpoint").find((endpoint) => endpoint.url === input.url);
  const endpoint = known ?? newEndpoint(world, input);
  world.state.tables.webhook_endpoint.set(endpoint.id, endpoint);
  world.state.endpointSecrets.set(endpoint.id, input.secret ?? newId(world, "whsec", 32));
  return endpoint;
}

function newEndpoint(world: World, input: EndpointInput) {
  return {
    id: newId(world, "we"),
    object: "webhook_endpoint" as const,
    api_version: API_VERSION,
    application: null,
    created: world.state.now,
    description: null,
    enabled_events: [...(input.enabledEvents ?? ["*"])],
    livemode: false as const,
    metadata: {},
    payload: input.payload ?? "snapshot",
    status: "enabled" as "enabled" | "disabled",
    url: input.url,
  };
}

export function webhookEndpointRoutes(api: Api): void {
  api.post("/v1/webhook_endpoints", CreateParams, (world, params) => {
    const endpoint = addEndpoint(world, { url: params.url, enabledEvents: params.enabled_events });
    return { ...endpoint, secret: world.state.endpointSecrets.get(endpoint.id) };
  });

  api.get("/v1/webhook_endpoints", z.strictObject(listParams), (world, params) =>
    page(all(world, "webhook_endpoint"), params, "/v1/webhook_endpoints"),
  );

  api.get("/v1/webhook_endpoints/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "webhook_endpoint", id),
  );

  api.delete("/v1/webhook_endpoints/:id", z.strictObject({}), (world, _params, id) => {
    need(world, "webhook_endpoint", id);
    world.state.tables.webhook_endpoint.delete(id);
    return { id, object: "webhook_endpoint", deleted: true };
  });
}
