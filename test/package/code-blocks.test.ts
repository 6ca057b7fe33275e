/** Checks the code in the documents: it compiles, its tests pass, and copies are the code of an example. */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { blocksOf } from "../support/blocks.ts";
import { writeProjects, type BlockProjects } from "../support/code-blocks.ts";
import { CLI, EMULATOR, ROOT, runNode } from "../support/program.ts";

const read = (file: string): string => readFileSync(join(ROOT, file), "utf8");
const PAGES = globSync("docs/*.md", { cwd: ROOT });
const FRAMEWORKS = ["express", "fastify", "hono", "next"];

/** The pages with code for users of the packages. */
const ALL_PAGES = ["README.md", ...globSync("packages/*/README.md", { cwd: ROOT }), ...PAGES];

describe("the TypeScript and JavaScript blocks of the documents", () => {
  let projects: BlockProjects;
  beforeAll(() => {
    projects = writeProjects(ALL_PAGES);
  });
  afterAll(() => projects.remove());

  test("compile with strict types", async () => {
    expect(ALL_PAGES.flatMap(blocksOf).length).toBeGreaterThan(80);
    expect(await projects.compile()).toEqual([]);
  });

  test("pass if they are tests of vitest", async () => {
    const { code, output } = await projects.runVitest();
    expect(code, output).toBe(0);
  });

  test("pass if they are tests of node:test", async () => {
    const { code, output } = await projects.runNodeTest();
    expect(code, output).toBe(0);
  });
});

test("each command of the packages in the documents exists, with each option", async () => {
  const used = ALL_PAGES.flatMap((page) => [...read(page).matchAll(/\bnpx (tollkeeper|stripe-emulator)([^`#|\n]*)/g)]);
  const helps = new Map<string, string>();
  for (const [line, program = "", rest = ""] of used) {
    const { command, options } = parse(rest);
    const key = [program, ...command].join(" ");
    if (!helps.has(key)) helps.set(key, await helpOf(program, command));
    for (const option of options) expect(helps.get(key), line).toMatch(new RegExp(`${option}(?![\\w-])`));
  }
  expect(helps.size).toBeGreaterThan(5);
});

test("each script of the repository that the documents run exists", () => {
  const { scripts } = JSON.parse(read("package.json")) as { scripts: Record<string, string> };
  const used = ALL_PAGES.flatMap((page) => [...read(page).matchAll(/\bnpm run ([\w:]+)/g)]);
  expect(used.length).toBeGreaterThan(5);
  for (const [line, name = ""] of used) expect(Object.keys(scripts), line).toContain(name);
});

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

function copiesIn(page: string): { file: string; code: string }[] {
  return blocksOf(page).flatMap(({ copyOf, code }) => (copyOf === null ? [] : [{ file: copyOf, code }]));
}

function installedBy(page: string, command: string): string[] {
  const line = read(page)
    .split("\n")
    .find((one) => one.startsWith(command));
  return String(line).slice(command.length).split(" ").toSorted();
}

/** Returns the command, and its options. The words of the command that `tollkeeper dev` runs begin with the first plain word. */
function parse(rest: string): { command: string[]; options: string[] } {
  const words = rest.trim().split(/\s+/);
  const length = words[0] === "plans" ? 2 : 1;
  const command = words.slice(0, length).filter((word) => /^[a-z]+$/.test(word));
  const own = command[0] === "dev" ? optionsOfDev(words.slice(length)) : words;
  return { command, options: own.filter((word) => word.startsWith("--")) };
}

/** The option `--config` has a value. */
function optionsOfDev(words: readonly string[]): readonly string[] {
  const app = words.findIndex((word, index) => !word.startsWith("--") && words[index - 1] !== "--config");
  return words.slice(0, app === -1 ? words.length : app);
}

/** Returns the program's help for a command. Fails if there is no such command. */
async function helpOf(program: string, command: readonly string[]): Promise<string> {
  const { exited, output } = runNode([program === "tollkeeper" ? CLI : EMULATOR, ...command, "--help"]);
  await exited;
  expect(output()).toContain(`Usage: ${[program, ...command].join(" ")} `);
  return output();
}
