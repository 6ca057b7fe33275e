import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { VARIABLES } from "../../packages/tollkeeper/src/environment.ts";
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
