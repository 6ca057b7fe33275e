// Bundles the browser code: the client and the elements of `tollkeeper`, and the page of the demo. Does nothing if the sources
// have not changed since the last build.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const LIBRARY = "packages/tollkeeper";
const DEMO = "apps/demo";
const STAMP = join(root, DEMO, "dist/.browser-built");
const SOURCES = [`${LIBRARY}/src/browser`, `${LIBRARY}/src/elements`, `${DEMO}/src/page`];

const LIBRARY_ENTRIES = {
  "browser/index": `${LIBRARY}/src/browser/index.ts`,
  "elements/premium-modal": `${LIBRARY}/src/elements/premium-modal.ts`,
  "elements/premium-modal-define": `${LIBRARY}/src/elements/premium-modal-define.ts`,
};
const DEMO_ENTRIES = { "page/app": `${DEMO}/src/page/app.ts` };

async function buildBrowser() {
  const state = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === state) return;
  const { build } = await import("vite");
  const common = { root, configFile: false, logLevel: "warn" };
  await build({ ...common, build: output(LIBRARY_ENTRIES, `${LIBRARY}/dist`) });
  await build({ ...common, build: output(DEMO_ENTRIES, `${DEMO}/dist`) });
  mkdirSync(join(root, DEMO, "dist/page"), { recursive: true });
  for (const file of ["index.html", "style.css"])
    copyFileSync(join(root, DEMO, "src/page", file), join(root, DEMO, "dist/page", file));
  writeFileSync(STAMP, state);
}

function output(entry, outDir) {
  return {
    target: "es2022",
    outDir,
    emptyOutDir: false,
    minify: true,
    lib: { entry, formats: ["es"] },
    rolldownOptions: { output: { entryFileNames: "[name].js", chunkFileNames: "browser/[name].js" } },
  };
}

/** Returns a hash over all files on which the bundles depend. */
function fingerprint() {
  const hash = createHash("sha256");
  const files = SOURCES.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
  for (const file of [...files.toSorted(), "tools/build-browser.mjs", "package.json", "package-lock.json"]) {
    hash.update(file);
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

await buildBrowser();
