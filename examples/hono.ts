/**
 * Mounts the service in Hono. In other servers that use `Request` and `Response`, also pass each request to the service
 * unchanged.
 */
import { serve } from "@hono/node-server";
import { Hono } from "hono";
import { signedInUser, tollkeeper } from "./billing.ts";

const app = new Hono();
app.all(`${tollkeeper.basePath}/*`, (c) => tollkeeper.fetch(c.req.raw));

app.get("/export", async (c) => {
  const user = await signedInUser(c.req.header("authorization"));
  if (!user) return c.text("Sign in first.", 401);
  if (!(await tollkeeper.can(user.id, "exports"))) return c.text("Exports are part of Premium.", 403);
  return c.text("title,words\n", 200, { "content-type": "text/csv" });
});

await tollkeeper.start();
const port = Number(process.env["PORT"] ?? 3000);
const server = serve({ fetch: app.fetch, port }, () => console.log(`Hono on http://127.0.0.1:${port}`));

process.once("SIGTERM", () => server.close(() => void tollkeeper.stop()));
