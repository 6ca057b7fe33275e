/** About the service itself: public configuration, health, and the API's description. */
import { createHash, timingSafeEqual } from "node:crypto";
import { createRoute } from "@hono/zod-openapi";
import { NotFoundError, UnauthenticatedError } from "../../errors.ts";
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

  app.get("/metrics", async (c) => {
    const { metrics } = context;
    if (!metrics) throw new NotFoundError("not_found", "Metrics are not served: set METRICS_TOKEN.");
    if (!isToken(c.req.header("authorization"), metrics.token))
      throw new UnauthenticatedError("Send Authorization: Bearer with the METRICS_TOKEN.");
    await requireStart(context);
    return c.text(await metrics.render(), 200, { "content-type": "text/plain; version=0.0.4; charset=utf-8" });
  });

  app.openAPIRegistry.registerComponent("securitySchemes", SECURITY_SCHEME, { type: "http", scheme: "bearer" });
  app.doc31("/openapi.json", {
    openapi: "3.1.0",
    info: { title: "Tollkeeper", version: "1" },
    servers: [{ url: context.basePath }],
  });
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}

/** In a time that does not tell how much of it was right. */
function isToken(header: string | undefined, token: string): boolean {
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}
