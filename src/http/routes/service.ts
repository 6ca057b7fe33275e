/** About the service itself: public configuration, health, and the API's description. */
import { createRoute } from "@hono/zod-openapi";
import { ConfigAnswer, HealthAnswer } from "../../wire.ts";
import type { HttpContext } from "../context.ts";
import { answers, requireStart, SECURITY_SCHEME, type App } from "../json-route.ts";

const config = createRoute({
  method: "get",
  path: "/config",
  responses: answers(ConfigAnswer, "Mode, publishable key, plans and feature flags: never a secret"),
});

const health = createRoute({
  method: "get",
  path: "/health",
  responses: answers(HealthAnswer, "The process answers"),
});
const ready = createRoute({
  method: "get",
  path: "/ready",
  responses: answers(HealthAnswer, "The store answers"),
});

export function serviceRoutes(app: App, context: HttpContext): void {
  app.openapi(config, (c) => c.json(context.config, 200));
  app.openapi(health, (c) => c.json({ status: "ok" as const }, 200));
  app.openapi(ready, async (c) => {
    await requireStart(context);
    await context.checkReady();
    return c.json({ status: "ok" as const }, 200);
  });

  app.openAPIRegistry.registerComponent("securitySchemes", SECURITY_SCHEME, { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Tollkeeper", version: "1" },
    servers: [{ url: context.basePath }],
  });
}
