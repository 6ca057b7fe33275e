/** Webhook endpoints. @see https://docs.stripe.com/api/webhook_endpoints */
import { z } from "zod";
import type { Api } from "../api.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable, url } from "../core/params.ts";
import { newId, newToken } from "../core/ids.ts";
import { all, insert, need, now, remove, type World } from "../core/world.ts";

export type WebhookEndpoint = ReturnType<typeof newEndpoint>;

export interface EndpointInput {
  url: string;
  secret?: string | undefined;
  /** Default: all. */
  enabledEvents?: readonly string[] | undefined;
  /** Whole objects, or thin notifications. Default snapshot. */
  payload?: "snapshot" | "thin" | undefined;
  apiVersion?: string | undefined;
  description?: string | null | undefined;
  metadata?: Record<string, string> | undefined;
}

const CreateParams = z.strictObject({
  url,
  enabled_events: z.array(text).min(1),
  api_version: text.optional(),
  description: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
});
const UpdateParams = z.strictObject({
  url: url.optional(),
  enabled_events: z.array(text).min(1).optional(),
  disabled: flag.optional(),
  description: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
});

/** Adds an endpoint, or finds the one with the same URL. */
export function addEndpoint(world: World, input: EndpointInput): WebhookEndpoint {
  const known = all(world, "webhook_endpoint", (endpoint) => endpoint.url === input.url)[0];
  const endpoint = known ?? insert(world, "webhook_endpoint", newEndpoint(world, input));
  const secret = input.secret ?? newToken(world, "whsec", 32);
  world.account.endpointSecrets.set(endpoint.id, [{ secret, expiresAt: null }]);
  world.account.payloads.set(endpoint.id, input.payload ?? "snapshot");
  return endpoint;
}

function newEndpoint(world: World, input: EndpointInput) {
  return {
    id: newId(world, "we"),
    object: "webhook_endpoint" as const,
    api_version: input.apiVersion ?? null,
    application: null,
    created: now(world),
    description: input.description ?? null,
    enabled_events: [...(input.enabledEvents ?? ["*"])],
    livemode: false as const,
    metadata: input.metadata ?? {},
    status: "enabled" as "enabled" | "disabled",
    url: input.url,
  };
}

export function webhookEndpointRoutes(api: Api): void {
  api.post("/v1/webhook_endpoints", CreateParams, (world, params) => {
    const endpoint = insert(
      world,
      "webhook_endpoint",
      newEndpoint(world, {
        url: params.url,
        enabledEvents: params.enabled_events,
        apiVersion: params.api_version,
        description: params.description ?? null,
        metadata: mergeMetadata({}, params.metadata),
      }),
    );
    const secret = newToken(world, "whsec", 32);
    world.account.endpointSecrets.set(endpoint.id, [{ secret, expiresAt: null }]);
    return { ...endpoint, secret };
  });

  api.get("/v1/webhook_endpoints", z.strictObject(listParams), (world, params) =>
    page(world, all(world, "webhook_endpoint"), params, "/v1/webhook_endpoints"),
  );

  api.get("/v1/webhook_endpoints/:id", z.strictObject({ expand }), (world, _params, id) =>
    need(world, "webhook_endpoint", id),
  );

  api.post("/v1/webhook_endpoints/:id", UpdateParams, (world, params, id) => {
    const endpoint = need(world, "webhook_endpoint", id);
    if (params.url !== undefined) endpoint.url = params.url;
    if (params.enabled_events !== undefined) endpoint.enabled_events = params.enabled_events;
    if (params.disabled !== undefined) endpoint.status = params.disabled ? "disabled" : "enabled";
    if (params.description !== undefined) endpoint.description = params.description;
    endpoint.metadata = mergeMetadata(endpoint.metadata, params.metadata);
    return endpoint;
  });

  api.delete("/v1/webhook_endpoints/:id", z.strictObject({}), (world, _params, id) => {
    need(world, "webhook_endpoint", id);
    remove(world, "webhook_endpoint", id);
    return { id, object: "webhook_endpoint", deleted: true };
  });
}
