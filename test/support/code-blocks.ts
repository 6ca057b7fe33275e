/** Compiles and runs the code blocks of the documents, as a reader's project does. */
import { execFile } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { blocksOf, type CodeBlock } from "./blocks.ts";
import { ROOT, runNode } from "./program.ts";

const EXTENSIONS: Readonly<Record<string, string>> = { ts: "ts", js: "mjs" };
/** The files of the page about Express that the blocks of other pages import. */
const SHARED = ["app.ts", "plans.ts"];
/** The names that a block without imports uses, with their modules. A block with imports has to import these names itself. */
const PACKAGES: Readonly<Record<string, string>> = {
  createTollkeeper: "tollkeeper",
  optionsFromEnvironment: "tollkeeper",
  createTollkeeperClient: "tollkeeper/browser",
  createTestBilling: "tollkeeper/testing",
  expect: "vitest",
  test: "vitest",
  createApp: "./app.ts",
  plans: "./plans.ts",
};
/** The names that stand for the reader's own code, and parts of packages that this repository does not install. */
const DECLARATIONS = ["reader.d.ts", "modules.d.ts"].map((file) => join(ROOT, "test/package/code-blocks", file));

/** The options of a strict project, with the extensions in imports that Node needs. JavaScript is only parsed. */
const COMPILER_OPTIONS = {
  target: "es2023",
  lib: ["es2024", "dom", "dom.iterable"],
  module: "esnext",
  moduleResolution: "bundler",
  types: ["node"],
  strict: true,
  noUncheckedIndexedAccess: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  allowImportingTsExtensions: true,
  allowJs: true,
  skipLibCheck: true,
  noEmit: true,
  // The documents use the version of Stripe's SDK that the packages use, not the one of test/ecosystem.
  paths: { stripe: [join(ROOT, "node_modules/stripe")] },
};

const VITEST_CONFIG =
  'export default { test: { include: ["**/*.test.ts"], isolate: false, pool: "threads", maxWorkers: 1 } };';

export interface BlockProjects {
  /** Returns the errors of the compiler, such as "docs/access.md(20,3): …". */
  compile(): Promise<string[]>;
  /** Runs the tests with vitest. Returns its exit code and output. */
  runVitest(): Promise<{ code: number | null; output: string }>;
  /** Runs the tests that import node:test. Returns the exit code and the output. */
  runNodeTest(): Promise<{ code: number | null; output: string }>;
  remove(): void;
}

/**
 * Writes the TypeScript and JavaScript blocks of the pages into one folder per page. React components (tsx) are left out, because
 * only Next has their types. The walk of the quickstart uses them in a browser.
 */
export function writeProjects(pages: readonly string[]): BlockProjects {
  // The folder test/ecosystem has the packages of other sign-ins, and the folders above have all others.
  const folder = mkdtempSync(join(ROOT, "test/ecosystem/.code-blocks-"));
  const sources = pages.flatMap((page) => writeBlocks(folder, page));
  const files = [...DECLARATIONS, ...sources.map(({ path }) => path)];
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }));
  writeFileSync(join(folder, "vitest.config.mjs"), VITEST_CONFIG);
  const run = async (...args: string[]): Promise<{ code: number | null; output: string }> => {
    const { exited, output } = runNode(args, { cwd: folder });
    return { code: await exited, output: output() };
  };
  return {
    async compile() {
      const output = await runCompiler(folder);
      return output.map((line) => {
        const source = sources.find(({ path }) => line.startsWith(`${path}(`));
        return source ? source.page + line.slice(source.path.length) : line;
      });
    },
    runVitest: () => run(join(ROOT, "node_modules/vitest/vitest.mjs"), "run"),
    runNodeTest: () => run("--test", ...sources.flatMap(({ path }) => (path.endsWith(".node.ts") ? [path] : []))),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/**
 * Writes the blocks of a page. Blocks can import files that the page has named before. If the page names a file a second time, a
 * new project begins. Each file has as many lines before its code as the page, so an error names the page's line.
 */
function writeBlocks(folder: string, page: string): { path: string; page: string }[] {
  const seen = new Set<string>();
  let project = 0;
  return blocksOf(page).flatMap((block) => {
    const { language, file, copyOf } = block;
    if (EXTENSIONS[language] === undefined || copyOf !== null) return [];
    if (file !== null && seen.has(file)) {
      project += 1;
      seen.clear();
    }
    const own = join(page.replaceAll(/\W/g, "_"), String(project));
    if (seen.size === 0)
      for (const shared of SHARED) cpSync(join(ROOT, "examples/express", shared), join(folder, own, shared));
    const path = join(own, file ?? nameOf(block));
    seen.add(file ?? path);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), toModule(block));
    return [{ path, page }];
  });
}

function nameOf({ language, code, line }: CodeBlock): string {
  if (code.includes(' from "node:test"')) return `line-${line}.node.ts`;
  return `line-${line}.${isTest(code) ? "test.ts" : EXTENSIONS[language]}`;
}

function isTest(code: string): boolean {
  return /\bexpect\(/.test(code);
}

/** Returns a block as a module: with the names that it uses, and inside a test if it only has the lines of a test. */
function toModule({ page, line, code }: CodeBlock): string {
  const isFragment = !/^import /m.test(code);
  const uses = (name: string): boolean => isUsed(code, name) && !isDeclared(code, name);
  const isBody = isFragment && isTest(code) && !/^test\(/m.test(code);
  const packages = isFragment
    ? Object.entries(PACKAGES).filter(([name]) => uses(name) || (isBody && name === "test"))
    : [];
  const imports = packages.map(([name, source]) => `import { ${name} } from "${source}";`);
  const [before, after] = isBody ? [`test("${page}:${line}", async () => {`, "});\n"] : ["", ""];
  // Without an import or an export, the file would be a script, which shares its names with all other scripts.
  return `${imports.join(" ")} export {}; ${before}${"\n".repeat(line - 1)}${code}${after}`;
}

function isUsed(code: string, name: string): boolean {
  return new RegExp(`(?<![\\w"'/]|(?<!\\.\\.)\\.)${name}\\b`).test(code);
}

function isDeclared(code: string, name: string): boolean {
  return [`\\b(?:const|let|function) ${name}\\b`, `\\b(?:const|let) \\{[^}=]*\\b${name}\\b[^}=]*\\} =`].some(
    (pattern) => new RegExp(pattern, "m").test(code),
  );
}

async function runCompiler(folder: string): Promise<string[]> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", ".", "--pretty", "false"], { cwd: folder }, (error, stdout, stderr) => {
      const lines = `${stdout}${stderr}`.split("\n").filter((line) => line !== "");
      // A compiler that was killed prints nothing.
      resolve(error && lines.length === 0 ? [error.message] : lines);
    });
  });
}
