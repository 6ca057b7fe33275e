import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { ALLOWED_WEBHOOK_EVENTS } from "../../packages/tollkeeper/src/index.ts";
import { ROOT } from "../support/program.ts";

const PAGES = [
  ...globSync("*.md", { cwd: ROOT }),
  ...globSync("packages/*/*.md", { cwd: ROOT }),
  ...globSync("docs/**/*.md", { cwd: ROOT }),
];
const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const configuration = read("docs/stripe_configuration.md");

describe.each(PAGES)("%s", (page) => {
  test("links to what is there", () => {
    const links = [...read(page).matchAll(/\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)/g)];
    for (const [, path = "", anchor = ""] of links) {
      const target = path === "" ? page : join(dirname(page), path);
      expect(existsSync(join(ROOT, target)), `${target} exists`).toBe(true);
      expect([...anchorsOf(target), ""]).toContain(anchor);
    }
  });
});

test("the set-up page lists exactly the events that are listened to, with the reasons", () => {
  const table = /<!-- events -->([\s\S]*)<!-- \/events -->/.exec(configuration)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| `([\w.]+)` +\| (.+?) +\|$/gm)].map(([, type, reason]) => [type, reason]);
  expect(rows).toEqual([...ALLOWED_WEBHOOK_EVENTS].map(([type, { reason }]) => [type, reason]));
});

test("the set-up page explains every variable that is read", () => {
  const sources = [
    "packages/tollkeeper/src/config.ts",
    ...globSync("packages/tollkeeper/src/cli/**/*.ts", { cwd: ROOT }),
  ]
    .map(read)
    .join("\n");
  const names = [...sources.matchAll(/(?:get|list)\("([A-Z][A-Z0-9_]+)"\)|env\["([A-Z][A-Z0-9_]+)"\]/g)];
  expect(names.length).toBeGreaterThan(10);
  for (const [, one, other] of names) expect(configuration).toMatch(new RegExp(`^\\|.*\`${one ?? other ?? ""}\``, "m"));
});

/** As GitHub makes them from headings. */
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
