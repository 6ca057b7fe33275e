/** Defines the API routes of webhook endpoints. @see https://docs.stripe.com/api/webhook_endpoints */
import { z } from "zod";
import type { Api } from "../api.ts";
import { notImplemented } from "../core/errors.ts";
import { newToken } from "../core/ids.ts";
import { paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable, url } from "../core/params.ts";
import { insert, listAll, remove, retrieve } from "../core/rows.ts";
import { API_VERSION, type Context } from "../core/state.ts";
import { type EndpointInput, newWebhookEndpoint, type WebhookEndpoint } from "../objects/webhook-endpoint.ts";

const CreateParams = z.strictObject({
  url,
  enabled_events: z.array(text).min(1),
  api_version: text.optional(),
  connect: flag.optional(),
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

/**
 * Adds a webhook endpoint. If an endpoint with the same URL exists, sets that endpoint's payload style instead, and its secret if
 * a new one is given.
 */
export function addEndpoint(context: Context, input: EndpointInput): WebhookEndpoint {
  const known = listAll(context, "webhook_endpoint", (endpoint) => endpoint.url === input.url)[0];
  const endpoint = known ?? insert(context, "webhook_endpoint", newWebhookEndpoint(context, input));
  setSecret(context, endpoint.id, input.secret);
  context.account.payloadStyles.set(endpoint.id, input.payload ?? "snapshot");
  return endpoint;
}

/** Keeps the secrets of a known endpoint, unless the options name another secret. */
function setSecret(context: Context, id: string, given: string | undefined): void {
  const { account } = context;
  const known = account.endpointSecrets.get(id) ?? [];
  const isKept = given === undefined ? known.length > 0 : known.some(({ secret }) => secret === given);
  if (isKept) return;
  const secret = given ?? newToken(context, "whsec", 32);
  account.endpointSecrets.set(id, [{ secret, expiresAt: null }]);
}

/**
 * Replaces the endpoints that options of an earlier start added by those of this start. Endpoints that were created with
 * requests stay. Without endpoints in the options, nothing changes.
 */
export function replaceEndpoints(context: Context, inputs: readonly EndpointInput[]): void {
  if (inputs.length === 0) return;
  const { payloadStyles } = context.account;
  const isOld = (endpoint: WebhookEndpoint): boolean =>
    payloadStyles.has(endpoint.id) && !inputs.some((input) => input.url === endpoint.url);
  for (const { id } of listAll(context, "webhook_endpoint", isOld)) remove(context, "webhook_endpoint", id);
  for (const input of inputs) addEndpoint(context, input);
}

/**
 * Throws if the endpoint would receive events that the emulator does not have: events of connected accounts, or events in the
 * format of another API version.
 */
function checkSupported(params: z.output<typeof CreateParams>): void {
  if (params.connect)
    throw notImplemented("The emulator has no events of connected accounts. Set `connect` to false.", "connect");
  const { api_version: version = API_VERSION } = params;
  if (version !== API_VERSION)
    throw notImplemented(
      `The emulator sends events in API version ${API_VERSION}, not ${version}. Set \`api_version\` to ${API_VERSION}, or omit it.`,
      "api_version",
    );
}

export function webhookEndpointRoutes(api: Api): void {
  api.post("/v1/webhook_endpoints", CreateParams, (context, params) => {
    checkSupported(params);
    const input = {
      url: params.url,
      enabledEvents: params.enabled_events,
      description: params.description ?? null,
      metadata: mergeMetadata({}, params.metadata),
    };
    const endpoint = insert(
      context,
      "webhook_endpoint",
      newWebhookEndpoint(context, input, params.api_version ?? null),
    );
    const secret = newToken(context, "whsec", 32);
    context.account.endpointSecrets.set(endpoint.id, [{ secret, expiresAt: null }]);
    return { ...endpoint, secret };
  });

  api.get("/v1/webhook_endpoints", z.strictObject(listParams), (context, params) =>
    paginate(context, listAll(context, "webhook_endpoint"), params, { url: "/v1/webhook_endpoints" }),
  );

  api.get("/v1/webhook_endpoints/:id", z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "webhook_endpoint", id),
  );

  api.post("/v1/webhook_endpoints/:id", UpdateParams, (context, params, id) => {
    const endpoint = retrieve(context, "webhook_endpoint", id);
    if (params.url !== undefined) endpoint.url = params.url;
    if (params.enabled_events !== undefined) endpoint.enabled_events = params.enabled_events;
    if (params.disabled !== undefined) endpoint.status = params.disabled ? "disabled" : "enabled";
    if (params.description !== undefined) endpoint.description = params.description;
    endpoint.metadata = mergeMetadata(endpoint.metadata, params.metadata);
    return endpoint;
  });

  api.delete("/v1/webhook_endpoints/:id", z.strictObject({}), (context, _params, id) => {
    retrieve(context, "webhook_endpoint", id);
    remove(context, "webhook_endpoint", id);
    return { id, object: "webhook_endpoint", deleted: true };
  });
}
