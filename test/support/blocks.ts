/** Reads the code blocks of the documents. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

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

/** Returns the blocks of a page, in order. */
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
