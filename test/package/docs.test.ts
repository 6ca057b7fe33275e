import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { OPTION_FIELDS } from "../../packages/tollkeeper/src/config/schema.ts";
import { DEFAULT_ACCESS_POLICY } from "../../packages/tollkeeper/src/domain/access.ts";
import { HOOK_NAMES } from "../../packages/tollkeeper/src/domain/hooks.ts";
import {
  DISPUTE_STATUSES,
  REFUND_STATUSES,
  SUBSCRIPTION_STATUSES,
} from "../../packages/tollkeeper/src/domain/records.ts";
import { VARIABLES } from "../../packages/tollkeeper/src/environment.ts";
import { ALARM_KINDS } from "../../packages/tollkeeper/src/runtime.ts";
import { ROOT } from "../support/program.ts";

const PAGES = [
  ...globSync("*.md", { cwd: ROOT }),
  ...globSync("packages/*/*.md", { cwd: ROOT }),
  ...globSync("docs/**/*.md", { cwd: ROOT }),
];
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const configuration = read("docs/stripe_configuration.md");

describe.each(PAGES)("%s", (page) => {
  test("every link in the document has a target", () => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)/g)];
    for (const [, path = "", anchor = ""] of links) {
      const target = path === "" ? page : join(dirname(page), path);
      expect(existsSync(join(ROOT, target)), `${target} exists`).toBe(true);
      expect([...anchorsOf(target), ""]).toContain(anchor);
    }
  });
});

test("the set-up page lists exactly the event types that the service allows, with their reasons", () => {
  const table = /<!-- events -->([\s\S]*)<!-- \/events -->/.exec(configuration)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| `([\w.]+)` +\| (.+?) +\|$/gm)].map(([, type, reason]) => [type, reason]);
  expect(rows).toEqual([...ALLOWED_WEBHOOK_EVENTS].map(([type, { reason }]) => [type, reason]));
});

test("the set-up page explains every variable that the service and its commands read", () => {
  const sources = [
    "packages/tollkeeper/src/environment.ts",
    ...globSync("packages/tollkeeper/src/cli/**/*.ts", { cwd: ROOT }),
  ];
  const text = sources.map(read).join("\n");
  const names = [
    ...Object.values(VARIABLES),
    ...[...text.matchAll(/(?:env\[|read\(env, )"([A-Z][A-Z0-9_]+)"/g)].map(([, name = ""]) => name),
  ];
  expect(names).toEqual(expect.arrayContaining(["STRIPE_SECRET_KEY", "AUTH0_DOMAIN", "PORT", "HOST"]));
  for (const name of names) expect(configuration).toMatch(new RegExp(`^\\|.*\`${name}\``, "m"));
});

test("the set-up page explains every option, and no other", () => {
  const table = /<!-- options -->([\s\S]*)<!-- \/options -->/.exec(configuration)?.[1] ?? "";
  const names = [...table.matchAll(/^\| `(\w+)` /gm)].map(([, name = ""]) => name);
  expect(names.toSorted()).toEqual(Object.keys(OPTION_FIELDS).toSorted());
});

test("the page about operations explains each alarm and each metric in exactly one row", () => {
  const operations = read("docs/operations.md");
  const alarms = /^\| alarm [\s\S]*?\n\n/m.exec(operations)?.[0] ?? "";
  expect([...alarms.matchAll(/^\| `(\w+)` /gm)].map(([, kind]) => kind)).toEqual(ALARM_KINDS.toSorted());
  const metrics = [...operations.matchAll(/^\| (`tollkeeper_.*?) +\|/gm)].flatMap(([, names = ""]) =>
    names.split(", "),
  );
  expect(metrics.length).toBeGreaterThan(15);
  expect(metrics).toEqual([...new Set(metrics)]);
});

test("the page about access has a line for every state at Stripe, a row for every rule, and every hook", () => {
  const page = read("docs/access.md");
  // The statuses of an inquiry are listed together as `warning_…`.
  const disputes = DISPUTE_STATUSES.map((status) => status.replace(/^warning_.*/, "warning_…"));
  const refunds = REFUND_STATUSES.filter((status) => status !== "succeeded");
  const { pausedCollection, ...rules } = DEFAULT_ACCESS_POLICY;
  const behaviors = Object.keys(pausedCollection);
  for (const state of [...SUBSCRIPTION_STATUSES, ...disputes, ...refunds, ...behaviors])
    expect(page).toContain(`\`${state}\``);
  for (const rule of [...Object.keys(rules), ...behaviors.map((behavior) => `pausedCollection.${behavior}`)])
    expect(page).toContain(`| \`access.${rule}\` `);
  for (const hook of HOOK_NAMES) expect(page).toContain(`  ${hook}: async`);
});

test("every file that the architecture page names exists", () => {
  const text = read("ARCHITECTURE.md");
  const files = [...text.matchAll(/(?<![\w./])((?:[\w-]+\/)+[\w-]+\.ts)/g)].map(([, file = ""]) => file);
  expect(files.length).toBeGreaterThan(50);
  const roots = ["packages/tollkeeper/src", "packages/emulator/src", "."];
  expect(files.filter((file) => !roots.some((root) => existsSync(join(ROOT, root, file))))).toEqual([]);
});

/** Returns the anchors that GitHub makes from the headings of a document. */
function anchorsOf(page: string): string[] {
  if (!page.endsWith(".md")) return [];
  return [...read(page).matchAll(/^#+ (.+)$/gm)].map(
    ([, heading = ""]) =>
      `#${heading
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-")}`,
  );
}
