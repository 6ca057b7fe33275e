// Fails if a source file has an import that the tables of import rules forbid. The linter checks import cycles
// (import/no-cycle).
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/**
 * The import rules, one table per package. Each key of a table names one folder or one source file of the package. The
 * key's value lists everything that the folder or file may import: other folders and files of the package, npm packages and
 * "node:" modules. If a listed name has the prefix "type:", only type imports of this name are allowed. The entry "*" allows
 * every import, except the imports that an entry with "!" names.
 */
const TOLLKEEPER = {
  errors: [],
  metrics: [],
  runtime: ["type:metrics", "type:tracing"],
  version: ["node:fs"],
  "node-version": ["node:fs"],
  wire: ["domain", "zod"],
  "database-url": ["domain/nearest-name"],
  "load-emulator": ["errors"],
  domain: ["errors"],
  stripe: ["domain", "errors", "stripe(npm)", "type:tracing", "node:crypto"],
  store: [
    "database-url",
    "domain",
    "errors",
    "kysely",
    "pg",
    "node:sqlite",
    "node:fs",
    "node:path",
    "node:timers",
    "node:zlib",
    "node:crypto",
  ],
  auth: ["domain", "errors", "jose"],
  actions: ["domain", "errors", "runtime", "node:crypto", "type:stripe", "type:store", "type:wire"],
  ingest: ["domain", "errors", "runtime", "stripe/webhook", "type:store"],
  sync: ["domain", "errors", "runtime", "type:metrics", "stripe/webhook", "type:stripe", "type:store"],
  reconcile: ["domain", "errors", "runtime", "stripe/webhook", "sync", "type:stripe", "type:store"],
  worker: [
    "domain",
    "errors",
    "runtime",
    "stripe/webhook",
    "sync",
    "reconcile",
    "node:crypto",
    "type:stripe",
    "type:store",
    "type:tracing",
  ],
  http: [
    "domain",
    "errors",
    "runtime",
    "wire",
    "type:ingest",
    "type:auth",
    "hono",
    "@hono/zod-openapi",
    "@hono/node-server",
    "zod",
    "node:crypto",
    "node:http",
  ],
  options: ["type:domain", "type:runtime", "type:tracing", "type:auth"],
  environment: ["type:options"],
  config: [
    "database-url",
    "environment",
    "domain",
    "errors",
    "zod",
    "type:options",
    "type:runtime",
    "type:tracing",
    "type:auth",
    "type:actions",
  ],
  compose: ["*", "!cli", "!browser", "!elements", "!testing"],
  tollkeeper: ["*", "!cli", "!browser", "!elements", "!testing"],
  index: ["*", "!cli", "!browser", "!elements", "!testing"],
  testing: [
    "actions/push-plans",
    "config",
    "domain",
    "errors",
    "load-emulator",
    "http/node",
    "store/open-store",
    "stripe/gateway",
    "tollkeeper",
    "type:options",
    "type:runtime",
    "type:store",
    "type:wire",
    "@hono/node-server",
    "stripe(npm)",
    "node:async_hooks",
    "node:crypto",
    "node:http",
    "type:node:net",
    "node:stream",
    "node:test",
  ],
  browser: ["type:wire", "@stripe/stripe-js"],
  elements: ["type:browser", "type:wire"],
  cli: [
    "actions",
    "config",
    "database-url",
    "domain",
    "environment",
    "errors",
    "load-emulator",
    "type:options",
    "http",
    "store",
    "stripe/gateway",
    "tollkeeper",
    "version",
    "node-version",
    "commander",
    "node:child_process",
    "node:fs",
    "node:path",
    "node:readline",
    "node:url",
  ],
};
const EMULATOR = {
  "": ["hono", "zod", "@hono/node-server", "commander", "node:crypto", "node:fs", "node:timers", "type:node:net"],
};
const TABLES = { "packages/tollkeeper/src": TOLLKEEPER, "packages/emulator/src": EMULATOR };

const IMPORT = /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const LAZY_IMPORT = /\bimport\("([^"]+)"\)/g;

let count = 0;
const problems = Object.entries(TABLES).flatMap(([folder, table]) => checkPackage(join(root, folder), table));
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log(`${count} files: every import is allowed`);

function checkPackage(source, table) {
  const files = readdirSync(source, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name));
  count += files.length;
  return files.flatMap((file) => importsOf(file).flatMap((found) => checkImport({ source, table, file, ...found })));
}

function importsOf(file) {
  const text = readFileSync(file, "utf8");
  return [
    ...[...text.matchAll(IMPORT)].map(([statement, typeWord, target]) => ({
      target,
      typeOnly: isTypeOnly(statement, typeWord),
    })),
    ...[...text.matchAll(LAZY_IMPORT)].map(([, target]) => ({ target, typeOnly: false })),
  ];
}

function isTypeOnly(statement, typeWord) {
  if (typeWord) return true;
  const names = /\{([^}]*)\}/s.exec(statement)?.[1];
  const outside = statement.replace(/\{[^}]*\}/s, "").replace(/^(import|export)|from|"[^"]*"|[\s,;]/g, "");
  if (names === undefined || outside !== "") return false;
  return names.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type "));
}

/** Checks one import. Returns a list with the problem of one import; the list is empty if the import is allowed. */
function checkImport({ source, table, file, target, typeOnly }) {
  const from = partOf(table, source, file);
  const place = relative(root, file);
  if (from === undefined) return [`${place}: belongs to no part of the table in tools/check-imports.mjs`];
  const names = target.startsWith(".")
    ? namesInside(table, source, resolve(dirname(file), target))
    : [packageOf(target)];
  if (names.includes(from) || allows(table[from], names, typeOnly)) return [];
  return [`${place}: ${from || "this package"} may not import ${target}${typeOnly ? " (as type)" : ""}`];
}

function partOf(table, source, path) {
  const inside = withoutEnding(source, path);
  return Object.keys(table).find((part) => part === "" || inside === part || inside.startsWith(`${part}/`));
}

/**
 * Returns the names by which an import rule can allow imports of a file: the file's path without its ending, and every folder
 * above the file.
 */
function namesInside(table, source, path) {
  const inside = withoutEnding(source, path);
  if (inside.startsWith("..")) return [inside];
  const steps = inside.split("/");
  return [partOf(table, source, path), ...steps.map((_, at) => steps.slice(0, at + 1).join("/"))];
}

function withoutEnding(source, path) {
  return relative(source, path).replace(/\.ts$/, "");
}

function packageOf(target) {
  if (target.startsWith("node:")) return target.split("/")[0];
  const name = target.split("/", target.startsWith("@") ? 2 : 1).join("/");
  return name === "stripe" ? "stripe(npm)" : name;
}

function allows(rules, names, typeOnly) {
  if (names.some((name) => rules.includes(`!${name}`))) return false;
  return (
    rules.includes("*") || names.some((name) => rules.includes(name) || (typeOnly && rules.includes(`type:${name}`)))
  );
}
