// Bundles what runs in browsers: the client, the elements and the demo's page. Skips the work where nothing has changed.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const STAMP = join(root, "dist/.browser-built");

const LIBRARY = {
  "browser/index": "src/browser/index.ts",
  "elements/premium-modal": "src/elements/premium-modal.ts",
  "elements/premium-modal-define": "src/elements/premium-modal-define.ts",
};
const PAGE = { "demo/page/app": "src/demo/page/app.ts" };

/** Builds into dist/ unless dist/ is up to date. */
export async function buildBrowser() {
  const state = fingerprint();
  if (existsSync(STAMP) && readFileSync(STAMP, "utf8") === state) return;
  const { build } = await import("vite");
  const common = { root, configFile: false, logLevel: "warn" };
  await build({ ...common, build: output(LIBRARY) });
  await build({ ...common, build: output(PAGE) });
  mkdirSync(join(root, "dist/demo/page"), { recursive: true });
  for (const file of ["index.html", "style.css"])
    copyFileSync(join(root, "src/demo/page", file), join(root, "dist/demo/page", file));
  writeFileSync(STAMP, state);
}

function output(entry) {
  return {
    target: "es2022",
    outDir: "dist",
    emptyOutDir: false,
    minify: true,
    lib: { entry, formats: ["es"] },
    rolldownOptions: { output: { entryFileNames: "[name].js", chunkFileNames: "browser/[name].js" } },
  };
}

function fingerprint() {
  const hash = createHash("sha256");
  const folders = ["src/browser", "src/elements", "src/demo/page"];
  const files = folders.flatMap((folder) => readdirSync(join(root, folder)).map((name) => join(folder, name)));
  for (const file of [...files.toSorted(), "tools/build-browser.mjs", "package.json", "package-lock.json"]) {
    hash.update(file);
    hash.update(readFileSync(join(root, file)));
  }
  return hash.digest("hex");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildBrowser();
