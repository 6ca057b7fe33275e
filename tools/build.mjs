// Builds what is published: dist/ with the server's modules, the browser's bundles and all types.
import { rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./steps.mjs";

rmSync(fileURLToPath(new URL("../dist", import.meta.url)), { recursive: true, force: true });
await run("tsc", ["-p", "tsconfig.build.json"]);
await run("tsc", ["-p", "tsconfig.browser.build.json"]);
await run("node", ["tools/build-browser.mjs"]);
