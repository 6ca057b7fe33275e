/** Mounts the service in Express, before `express.json()`, because Stripe signs the raw bytes of a webhook. */
import express from "express";
import { toNodeHandler } from "tollkeeper";
import { signedInUser, tollkeeper } from "./billing.ts";

const app = express();
app.use(toNodeHandler(tollkeeper));
app.use(express.json());

app.get("/export", async (request, response) => {
  const user = await signedInUser(request.headers.authorization);
  if (!user) return response.status(401).send("Sign in first.");
  if (!(await tollkeeper.can(user.id, "exports"))) return response.status(403).send("Exports are part of Premium.");
  return response.type("csv").send("title,words\n");
});

await tollkeeper.start();
const port = Number(process.env["PORT"] ?? 3000);
const server = app.listen(port, () => console.log(`Express on http://127.0.0.1:${port}`));

process.once("SIGTERM", () => server.close(() => void tollkeeper.stop()));
