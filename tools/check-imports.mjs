// Fails on an import that the table of ARCHITECTURE.md forbids, and on an import cycle.
import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const source = join(root, process.argv[2] ?? "src");

/** part -> what it may import: other parts, "type:" for types alone, npm packages and "node:" modules. */
const TABLE = {
  errors: [],
  metrics: [],
  runtime: ["type:metrics", "type:tracing"],
  version: ["node:fs"],
  wire: ["zod"],
  domain: ["errors"],
  stripe: ["domain", "errors", "stripe(npm)", "type:tracing", "node:crypto"],
  store: [
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
  actions: ["domain", "errors", "runtime", "node:crypto", "type:stripe", "type:store"],
  sync: [
    "domain",
    "errors",
    "runtime",
    "stripe/signature",
    "stripe/event-types",
    "stripe/envelope",
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
    "type:actions",
    "type:sync",
    "type:auth",
    "hono",
    "@hono/zod-openapi",
    "@hono/node-server",
    "zod",
    "node:crypto",
    "node:http",
  ],
  config: ["domain", "errors", "type:runtime", "type:tracing", "type:auth", "type:actions"],
  tollkeeper: ["*", "!emulator", "!demo", "!cli", "!browser", "!elements"],
  index: ["*", "!emulator", "!demo", "!cli", "!browser", "!elements"],
  browser: ["type:wire", "@stripe/stripe-js"],
  elements: ["type:browser"],
  emulator: ["hono", "zod", "@hono/node-server", "node:crypto", "node:fs"],
  "demo/page": ["browser", "elements"],
  demo: [
    "domain",
    "errors",
    "actions",
    "auth",
    "http",
    "stripe/gateway",
    "config",
    "tollkeeper",
    "version",
    "emulator",
    "hono",
    "jose",
    "zod",
    "node:fs",
    "node:path",
    "node:url",
  ],
  cli: [
    "actions",
    "config",
    "domain",
    "demo",
    "emulator",
    "errors",
    "http",
    "store",
    "stripe/gateway",
    "tollkeeper",
    "version",
    "commander",
    "node:fs",
    "node:path",
    "node:readline",
    "node:url",
  ],
};

const IMPORT = /^(?:import|export)\s+(type\s+)?(?:[^"';]*?\sfrom\s+)?"([^"]+)"/gm;
const LAZY_IMPORT = /\bimport\("([^"]+)"\)/g;

const files = readdirSync(source, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
  .map((entry) => join(entry.parentPath, entry.name));
const graph = new Map();
const problems = [];

for (const file of files) {
  const text = readFileSync(file, "utf8");
  const values = [];
  const imports = [...text.matchAll(IMPORT)].map(([whole, typeWord, target]) => ({
    target,
    typeOnly: isTypeOnly(whole, typeWord),
  }));
  for (const [, target] of text.matchAll(LAZY_IMPORT)) imports.push({ target, typeOnly: false });
  for (const { target, typeOnly } of imports) {
    if (target.startsWith(".") && !typeOnly) values.push(resolve(dirname(file), target));
    const problem = checkImport(file, target, typeOnly);
    if (problem) problems.push(problem);
  }
  graph.set(file, values);
}
problems.push(...findCycles());

if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}
console.log(`${files.length} files: every import is allowed, and there is no cycle`);

function isTypeOnly(statement, typeWord) {
  if (typeWord) return true;
  const names = /\{([^}]*)\}/s.exec(statement)?.[1];
  const outside = statement.replace(/\{[^}]*\}/s, "").replace(/^(import|export)|from|"[^"]*"|[\s,;]/g, "");
  if (names === undefined || outside !== "") return false;
  return names.split(",").every((name) => name.trim() === "" || name.trim().startsWith("type "));
}

function partOf(path) {
  const inside = relative(source, path).replace(/\.ts$/, "");
  return Object.keys(TABLE).find((part) => inside === part || inside.startsWith(`${part}/`));
}

function checkImport(file, target, typeOnly) {
  const from = partOf(file);
  const where = relative(root, file);
  if (from === undefined) return `${where}: belongs to no part of the table`;
  if (target.startsWith(".")) {
    const path = resolve(dirname(file), target);
    const to = partOf(path);
    if (to === from) return null;
    const inside = relative(source, path).replace(/\.ts$/, "");
    return allows(from, [to, inside], typeOnly)
      ? null
      : `${where}: ${from} may not import ${inside}${typeOnly ? " (as type)" : ""}`;
  }
  const name = target.startsWith("node:")
    ? target.split("/")[0]
    : target
        .split("/")
        .slice(0, target.startsWith("@") ? 2 : 1)
        .join("/");
  return allows(from, [name === "stripe" ? "stripe(npm)" : name], typeOnly)
    ? null
    : `${where}: ${from} may not import ${target}`;
}

function allows(from, names, typeOnly) {
  const rules = TABLE[from];
  if (names.some((name) => rules.includes(`!${name}`))) return false;
  return (
    rules.includes("*") || names.some((name) => rules.includes(name) || (typeOnly && rules.includes(`type:${name}`)))
  );
}

function findCycles() {
  const found = [];
  const state = new Map();
  const visit = (file, path) => {
    if (state.get(file) === "done") return;
    if (state.get(file) === "open") {
      const cycle = [...path.slice(path.indexOf(file)), file].map((name) => relative(root, name));
      found.push(`import cycle: ${cycle.join(" -> ")}`);
      return;
    }
    state.set(file, "open");
    for (const next of graph.get(file) ?? []) visit(next, [...path, file]);
    state.set(file, "done");
  };
  for (const file of graph.keys()) visit(file, []);
  return found;
}
