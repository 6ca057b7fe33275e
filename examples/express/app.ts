/** The app: Tollkeeper's routes below `/stripe`, and one route that is part of a plan. */
import express, { type Express } from "express";
import { toNodeHandler, type Tollkeeper } from "tollkeeper";

export function createApp(tollkeeper: Tollkeeper): Express {
  const app = express();
  // Tollkeeper comes before `express.json()`, because Stripe signs the raw bytes of a webhook.
  app.use(toNodeHandler(tollkeeper));
  app.use(express.json());

  app.get("/export", async (request, response) => {
    const user = await tollkeeper.getUser(request);
    if (!user) return response.status(401).send("Sign in first.");
    if (!(await tollkeeper.can(user.id, "exports"))) return response.status(403).send("Exports are part of Premium.");
    return response.type("csv").send("title,words\n");
  });

  return app;
}
