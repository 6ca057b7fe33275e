// Builds the published packages (modules, types and browser bundles) and the page of the demo.
import { cpSync, rmSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { run } from "./steps.mjs";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));

for (const folder of ["packages/tollkeeper", "packages/emulator", "apps/demo"])
  rmSync(path(`${folder}/dist`), { recursive: true, force: true });
await run("tsc", ["-p", "packages/tollkeeper/tsconfig.build.json"]);
await run("tsc", ["-p", "packages/tollkeeper/tsconfig.browser.build.json"]);
await run("tsc", ["-p", "packages/emulator/tsconfig.build.json"]);
cpSync(path("packages/emulator/src/schema"), path("packages/emulator/dist/schema"), { recursive: true });
await run("node", ["tools/build-browser.mjs"]);
