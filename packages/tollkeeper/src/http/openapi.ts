/**
 * Creates the OpenAPI document from the route table. The service serves the OpenAPI document at `openapi.json` below its base
 * path.
 */
import type { OpenAPIHono, RouteConfig } from "@hono/zod-openapi";
import { ErrorResponse } from "../wire.ts";
import { SECURITY, SECURITY_SCHEMES } from "./access.ts";
import type { Route } from "./define-route.ts";
import type { HttpEnv } from "./request-log.ts";

const JSON_TYPE = "application/json";
export const OPENAPI_PATH = "/openapi.json";

/** Responses that the OpenAPI document adds to each route for signed-in users. */
const USER_RESPONSES: Readonly<Record<number, string>> = {
  400: "The request is invalid; the message names the field",
  401: "The token is missing or not valid",
  403: "origin_not_allowed: the page's origin is not in ALLOWED_ORIGINS",
  500: "The service failed or is not set up correctly; its log has the reason",
  503: "Stripe or the store is unavailable; retry later",
};

export function serveOpenApi(app: OpenAPIHono<HttpEnv>, routes: readonly Route[], basePath: string): void {
  const registry = app.openAPIRegistry;
  for (const [name, scheme] of Object.entries(SECURITY_SCHEMES))
    registry.registerComponent("securitySchemes", name, scheme);
  for (const route of routes) registry.registerPath(describeRoute(route));
  app.doc31(OPENAPI_PATH, {
    openapi: "3.1.0",
    info: { title: "Tollkeeper", version: "1" },
    servers: [{ url: basePath }],
  });
}

function describeRoute({ method, path, access, schema, description, responses, contentType }: Route): RouteConfig {
  const security = SECURITY[access];
  return {
    method,
    path,
    ...(description !== undefined && { description }),
    ...(security !== null && { security: [{ [security]: [] }] }),
    request: describeRequest(schema),
    responses: Object.fromEntries(
      Object.entries({ ...(access === "user" && USER_RESPONSES), ...responses }).map(([status, meaning]) => {
        const isSuccess = status === "200";
        const type = isSuccess ? (contentType ?? JSON_TYPE) : JSON_TYPE;
        const body = isSuccess ? schema.response : (schema.error ?? ErrorResponse);
        return [status, { description: meaning, content: { [type]: { schema: body } } }];
      }),
    ),
  };
}

function describeRequest({ body, query }: Route["schema"]): NonNullable<RouteConfig["request"]> {
  return {
    ...(body && { body: { required: true, content: { [JSON_TYPE]: { schema: body } } } }),
    ...(query && { query }),
  };
}
