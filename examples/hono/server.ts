/** Starts the app on Node. The options of Tollkeeper come from environment variables. */
import { serve } from "@hono/node-server";
import { createTollkeeper, optionsFromEnvironment } from "tollkeeper";
import { createApp } from "./app.ts";
import { plans } from "./plans.ts";

const tollkeeper = createTollkeeper({ ...optionsFromEnvironment(process.env), plans });
await tollkeeper.start();

const { fetch } = createApp(tollkeeper);
const port = Number(process.env["PORT"] ?? 3000);
const server = serve({ fetch, port }, () => console.log(`Hono on http://127.0.0.1:${port}`));

process.once("SIGTERM", () => server.close(() => void tollkeeper.stop()));
