// Builds what is published: dist/ with the server's modules, the browser's bundles and all types.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./steps.mjs";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

rmSync(path("dist"), { recursive: true, force: true });
await run("tsc", ["-p", "tsconfig.build.json"]);
await run("tsc", ["-p", "tsconfig.browser.build.json"]);
cpSync(path("src/emulator/schema"), path("dist/emulator/schema"), { recursive: true });
await run("node", ["tools/build-browser.mjs"]);
