/** Checks that the code in the documents is the code of the examples, which other tests run. */
import { globSync, readFileSync } from "node:fs";
import { join, normalize } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT } from "../support/program.ts";

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const PAGES = globSync("docs/*.md", { cwd: ROOT });
const FRAMEWORKS = ["express", "fastify", "hono", "next"];

interface Copy {
  /** The path of the file in the repository. */
  file: string;
  code: string;
}

/** Returns the blocks of a page that follow a link to a file of an example, such as `[app.ts](../examples/express/app.ts):`. */
function copiesIn(page: string): Copy[] {
  const blocks = read(page).matchAll(/\]\(\.\.\/(examples\/\S+)\):\n\n```\w+\n([\s\S]*?)```\n/g);
  return [...blocks].map(([, file = "", code = ""]) => ({ file: normalize(file), code }));
}

test.each(PAGES)("each block in %s that follows a link to a file of an example is this file", (page) => {
  for (const { file, code } of copiesIn(page)) expect(code, file).toBe(read(file));
});

describe.each(FRAMEWORKS)("the page about %s", (name) => {
  const page = `docs/${name}.md`;
  const folder = `examples/${name}`;

  test("shows every file of the example", () => {
    const files = globSync("{*.{ts,mjs},app/**/*.ts}", { cwd: join(ROOT, folder), exclude: ["next-env.d.ts"] });
    const shown = copiesIn(page).map(({ file }) => file);
    expect(shown.toSorted()).toEqual(files.map((file) => `${folder}/${file}`).toSorted());
  });

  test("installs the dependencies of the example", () => {
    const { dependencies, devDependencies } = JSON.parse(read(`${folder}/package.json`)) as Record<string, object>;
    expect(installedBy(page, "npm install ")).toEqual(Object.keys(dependencies ?? {}).toSorted());
    expect(installedBy(page, "npm install --save-dev ")).toEqual(Object.keys(devDependencies ?? {}).toSorted());
  });
});

function installedBy(page: string, command: string): string[] {
  const line = read(page)
    .split("\n")
    .find((one) => one.startsWith(command));
  return String(line).slice(command.length).split(" ").toSorted();
}
