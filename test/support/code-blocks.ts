/** Reads the code blocks of the documents, and compiles them as a reader's project does. */
import { execFile } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { onTestFinished } from "vitest";
import { ROOT } from "./program.ts";

export interface CodeBlock {
  page: string;
  /** The line of the page on which the code begins, counted from 1. */
  line: number;
  language: string;
  code: string;
  /** The name of the file that the page gives to the code, such as "in `server.ts`:"; null if the page gives none. */
  file: string | null;
  /** The path of the file whose copy the code is, for a link such as `[app.ts](../examples/express/app.ts):`. */
  copyOf: string | null;
}

const BLOCK =
  /(?:(?:`([^`\s]+\.(?:ts|tsx|js|mjs|html))`|\]\(\.\.\/(examples\/\S+)\))[^`\n]*:\n\n(?:<!-- prettier-ignore -->\n)?)?^( *)```(\w+)\n([\s\S]*?)^ *```$/gm;

export function blocksOf(page: string): CodeBlock[] {
  const text = readFileSync(join(ROOT, page), "utf8");
  return [...text.matchAll(BLOCK)].map((match) => {
    const [whole, file = null, copyOf = null, indent = "", language = "", code = ""] = match;
    const before = text.slice(0, match.index + whole.lastIndexOf(`\`\`\`${language}\n`));
    return {
      page,
      line: before.split("\n").length + 1,
      language,
      code: code.replaceAll(new RegExp(`^${indent}`, "gm"), ""),
      file,
      copyOf,
    };
  });
}

const NAMES = join(ROOT, "test/package/code-blocks");
const EXTENSIONS: Readonly<Record<string, string>> = { ts: "ts", js: "mjs" };

/** The options of a strict project. `noEmit` and the extensions in imports are what Node needs to run TypeScript. */
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
  checkJs: true,
  skipLibCheck: true,
  noEmit: true,
  // The documents use the version of Stripe's SDK that the packages use, not the one of test/ecosystem.
  paths: { stripe: [join(ROOT, "node_modules/stripe")], "#names/*": [join(NAMES, "*.d.ts")] },
};

/**
 * Compiles the TypeScript and JavaScript blocks of the pages. Returns the compiler's errors, such as "docs/access.md(20,3): …".
 * React components (tsx) are left out: only Next has their types, and the walk of the quickstart runs them.
 */
export async function compileBlocks(pages: readonly string[]): Promise<string[]> {
  // The folder test/ecosystem has the packages of other sign-ins, and the folders above have all others.
  const folder = mkdtempSync(join(ROOT, "test/ecosystem/.code-blocks-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const sources = pages.flatMap((page) => writeBlocks(folder, page));
  const files = [join(NAMES, "modules.d.ts"), ...sources.map(({ path }) => path)];
  writeFileSync(join(folder, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILER_OPTIONS, files }));
  const output = await compile(folder);
  return output.map((line) => {
    const source = sources.find(({ path }) => line.startsWith(`${path}(`));
    return source ? source.page + line.slice(source.path.length) : line;
  });
}

/**
 * Writes the blocks of a page. Blocks can import files that the page has named before. If the page names a file a second time, a
 * new project begins. Each file has as many lines before its code as the page, so an error names the page's line.
 */
function writeBlocks(folder: string, page: string): { path: string; page: string }[] {
  const seen = new Set<string>();
  let project = 0;
  return blocksOf(page).flatMap(({ language, code, file, copyOf, line }) => {
    const extension = EXTENSIONS[language];
    if (extension === undefined || copyOf !== null) return [];
    if (file !== null && seen.has(file)) {
      project += 1;
      seen.clear();
    }
    if (file !== null) seen.add(file);
    const path = join(page.replaceAll(/\W/g, "_"), String(project), file ?? `line-${line}.${extension}`);
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    copyExample(join(folder, page.replaceAll(/\W/g, "_"), String(project)));
    writeFileSync(join(folder, path), `${importsFor(code)}${"\n".repeat(line - 1)}${code}`);
    return [{ path, page }];
  });
}

/** Copies the app of the page about Express into a new project, because the pages about sign-in test it. */
function copyExample(project: string): void {
  for (const file of ["app.ts", "plans.ts"]) {
    const target = join(project, file);
    if (!existsSync(target)) copyFileSync(join(ROOT, "examples/express", file), target);
  }
}

/** Returns the imports of the names that a block uses and does not declare. */
function importsFor(code: string): string {
  const hasImports = /^import /m.test(code);
  const lists = hasImports ? ["app"] : ["app", "packages"];
  const imports = lists.map((list) => {
    const names = namesIn(readFileSync(join(NAMES, `${list}.d.ts`), "utf8"));
    const used = names.filter((name) => isUsed(code, name) && !isDeclared(code, name));
    return `import { ${used.join(", ")} } from "#names/${list}";`;
  });
  // Without an import or an export, the file would be a script, which shares its names with all other scripts.
  return `${imports.join(" ")} export {};`;
}

/** Returns the names that a file of declarations exports. */
function namesIn(declarations: string): string[] {
  const declared = [...declarations.matchAll(/^export declare (?:const|function) (\w+)/gm)];
  const exported = [...declarations.matchAll(/^export \{ (.*) \} from/gm)];
  return [...declared, ...exported].flatMap(([, names = ""]) => names.split(", "));
}

function isUsed(code: string, name: string): boolean {
  return new RegExp(`(?<![\\w"'/]|(?<!\\.\\.)\\.)${name}\\b`).test(code);
}

function isDeclared(code: string, name: string): boolean {
  return new RegExp(
    `\\b(?:const|let|function) ${name}\\b|\\b(?:const|let) \\{[^}=]*\\b${name}\\b[^}=]*\\} =|^import [^;]*\\b${name}\\b[^;]* from`,
    "m",
  ).test(code);
}

async function compile(folder: string): Promise<string[]> {
  const compiler = join(ROOT, "node_modules/typescript/bin/tsc");
  return new Promise((resolve) => {
    execFile(process.execPath, [compiler, "-p", ".", "--pretty", "false"], { cwd: folder }, (_error, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.split("\n").filter((line) => line !== "")),
    );
  });
}
