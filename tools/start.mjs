// `npm start`: runs the service if STRIPE_SECRET_KEY is set, otherwise the demo. Builds the demo's page first if the sources of
// the page changed.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

if (existsSync(".env")) process.loadEnvFile(".env");
if (process.env["STRIPE_SECRET_KEY"]?.trim()) {
  process.argv.splice(2, 0, "serve");
  await import(path("packages/tollkeeper/src/cli/main.ts"));
} else {
  // The bundler runs in a separate process, because it sets NODE_ENV=production in its own process.
  const { status } = spawnSync(process.execPath, [path("tools/build-browser.mjs")], { stdio: "inherit" });
  if (status !== 0) process.exit(status ?? 1);
  await import(path("apps/demo/src/main.ts"));
}
