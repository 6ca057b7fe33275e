/** Starts the app. The options of Tollkeeper come from environment variables. */
import { createTollkeeper, optionsFromEnvironment } from "tollkeeper";
import { createApp } from "./app.ts";
import { plans } from "./plans.ts";

const tollkeeper = createTollkeeper({ ...optionsFromEnvironment(process.env), plans });
await tollkeeper.start();

const app = createApp(tollkeeper);
const port = Number(process.env["PORT"] ?? 3000);
await app.listen({ port });
console.log(`Fastify on http://127.0.0.1:${port}`);

process.once("SIGTERM", () => void app.close().then(() => tollkeeper.stop()));
