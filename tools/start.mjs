// What `npm start` runs: builds the page where it has changed, then starts the product.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

// In a process of its own: the bundler sets NODE_ENV=production for whoever runs it.
const build = fileURLToPath(new URL("build-browser.mjs", import.meta.url));
const { status } = spawnSync(process.execPath, [build], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
process.argv.splice(2, 0, "start");
await import("../src/cli/main.ts");
