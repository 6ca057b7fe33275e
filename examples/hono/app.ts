/** The app: Tollkeeper's routes below `/stripe`, and one route that is part of a plan. */
import { Hono } from "hono";
import type { Tollkeeper } from "tollkeeper";

export function createApp(tollkeeper: Tollkeeper): Hono {
  const app = new Hono();
  app.all(`${tollkeeper.basePath}/*`, (c) => tollkeeper.fetch(c.req.raw));

  app.get("/export", async (c) => {
    const user = await tollkeeper.getUser(c.req.raw);
    if (!user) return c.text("Sign in first.", 401);
    if (!(await tollkeeper.can(user.id, "exports"))) return c.text("Exports are part of Premium.", 403);
    return c.text("title,words\n", 200, { "content-type": "text/csv" });
  });

  return app;
}
