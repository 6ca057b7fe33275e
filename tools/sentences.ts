/** Finds the sentences in the project's own files: in comments, documents, test names, error texts and log texts. */
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

export interface Sentence {
  kind: "comment" | "docs" | "table" | "test" | "message";
  file: string;
  line: number;
  text: string;
  /** The text of the sentence, with placeholders of equal length instead of inline code and link targets. */
  masked: string;
}

type Found = Omit<Sentence, "file">;
type Line = { line: number; text: string };

const EXCLUDED = /(^|\/)(node_modules|triggers|schema)\/|FIDELITY\.md$/;
const TAGS_WITH_PROSE = /^@(?:returns?|throws|param \S+|default(?:Value)?|deprecated)\s+(?:\{.*?\}\s*)?-?\s*/;

/** Reads all sentences of the project's tracked sources and docs. `prefixes` limits the search to some folders or files. */
export function readSentences(root: string, prefixes: readonly string[] = []): Sentence[] {
  const listed = execFileSync("git", ["ls-files", "*.ts", "*.tsx", "*.mjs", "*.md"], { cwd: root, encoding: "utf8" });
  const files = listed
    .split("\n")
    .filter((file) => file !== "" && !EXCLUDED.test(file))
    .filter((file) => prefixes.length === 0 || prefixes.some((prefix) => file.startsWith(prefix)));
  return files.flatMap((file) => {
    const text = readFileSync(`${root}/${file}`, "utf8");
    return sentencesOf(file, text).map((found) => ({ ...found, file }));
  });
}

/** Returns the sentences of one file. The ending of the file's name decides how sentences are found in the file. */
export function sentencesOf(file: string, text: string): Found[] {
  if (!file.endsWith(".md")) return sentencesOfCode(file, text);
  return sentencesOfProse("docs", linesOf(text.replaceAll(/<!--.*?-->/gs, blank), 1));
}

/** Counts the words of a sentence: tokens with a letter or a digit. */
export function countWords({ masked }: Pick<Sentence, "masked">): number {
  return masked.split(/\s+/).filter((token) => /[\p{L}\p{N}]/u.test(token)).length;
}

// --- Prose: Markdown, and comments with Markdown lists and inline code ---

function sentencesOfProse(kind: Sentence["kind"], lines: readonly Line[]): Found[] {
  const found: Found[] = [];
  let block: Line[] = [];
  let fence = "";
  const end = (): void => {
    found.push(...splitBlock(kind, block));
    block = [];
  };
  for (const { line, text } of lines) {
    const trimmed = text.trim().replace(/^(?:>\s*)+/, "");
    const mark = /^(?:```|~~~)/.exec(trimmed)?.[0] ?? "";
    if (mark !== "" || fence !== "") {
      if (fence === "") [fence] = [mark, end()];
      else if (mark === fence) fence = "";
      continue;
    }
    if (trimmed.startsWith("|")) {
      end();
      const cells = trimmed.split(/(?<!\\)\|/).filter((cell) => /\p{L}/u.test(cell));
      found.push(...cells.flatMap((cell) => splitBlock("table", [{ line, text: cell }])));
      continue;
    }
    if (/^(?:$|#+ |[-*+] |\d+\. |@|<)/.test(trimmed)) end();
    block.push({ line, text: trimmed.replace(/^(?:#+|[-*+]|\d+\.) /, "") });
    if (trimmed.startsWith("#")) end();
  }
  end();
  return found;
}

function splitBlock(kind: Sentence["kind"], block: readonly Line[]): Found[] {
  const [first] = block;
  if (!first) return [];
  const [raw, skipped] = withoutTag(block.map(({ text }) => text).join("\n"));
  if (skipped) return [];
  const masked = mask(raw);
  const starts = [0];
  for (const match of masked.matchAll(/[.!?]["')*_\]]*\s+(?=["'([*_`]*[\p{Lu}\p{N}`])/gu))
    if (!/\b(?:e\.g|i\.e|etc|vs|cf)\.\s+$/.test(masked.slice(0, match.index) + match[0]))
      starts.push(match.index + match[0].length);
  return starts.flatMap((start, index) => {
    const [text, cut] = [raw, masked].map((whole) =>
      whole
        .slice(start, starts[index + 1])
        .replaceAll(/\s+/g, " ")
        .trim(),
    );
    if (!text || !cut) return [];
    return [{ kind, line: first.line + raw.slice(0, start).split("\n").length - 1, text, masked: cut }];
  });
}

/**
 * Returns the text without a leading tag such as `@returns`. The second returned value is true if the text is a tag, a
 * directive or a license instead of prose.
 */
function withoutTag(text: string): [string, boolean] {
  const prose = text.replace(TAGS_WITH_PROSE, "").replace(/\s+@see\s[^]*$/, "");
  return [prose, /^(?:@|<|SPDX|Copyright|oxlint-|eslint-|#(?:end)?region|\/ <)/.test(prose)];
}

function mask(text: string): string {
  return text
    .replaceAll(/(`+)(?:[^`]|\n)+?\1/g, (code) => `\`${"x".repeat(Math.max(0, code.length - 2))}\``)
    .replaceAll(/\]\([^)\s]*\)/g, (target) => `](${"x".repeat(target.length - 3)})`);
}

function linesOf(text: string, firstLine: number): Line[] {
  return text.split("\n").map((line, index) => ({ line: firstLine + index, text: line }));
}

// --- Code: comments and the strings that people read ---

/** Matches the next comment, string, template or regular expression. */
const TOKEN =
  /(?<comment>\/\/[^\n]*|\/\*.*?\*\/)|(?<string>"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|\$\{(?:[^`{}]|\{[^{}]*\}|`(?:\\.|[^`\\])*`)*\}|[^`\\])*`)|(?<=(?:[(,=:[!&|?{};>\n]|return)\s*)\/(?![*/])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n[])+\/\w*/gs;
const TEST_NAME = /(?:\b(?:test|it|describe)(?:\.\w+)*|\))\($/;
const MESSAGE = /(?:new \w*Error|\bconsole\.(?:error|log|warn)|\blog(?:ger)?\.(?:debug|info|warn|error))\($/;

function sentencesOfCode(file: string, text: string): Found[] {
  const tokens = [...text.matchAll(TOKEN)];
  const code = text.replaceAll(TOKEN, blank);
  const comments: Line[][] = [];
  const strings: { index: number; end: number; value: string }[] = [];
  let previousEnd = -1;
  for (const { index, 0: token, groups } of tokens) {
    const end = index + token.length;
    if (groups?.["comment"] !== undefined) {
      const lines = linesOf(token, lineAt(text, index)).map(({ line, text: one }) => ({
        line,
        text: commentText(one),
      }));
      const joins = token.startsWith("//") && /^\n[ \t]*$/.test(text.slice(previousEnd, index)) && comments.length > 0;
      if (joins) comments.at(-1)?.push(...lines);
      else comments.push(lines);
      const ownLine = /(?:^|\n)[ \t]*$/.test(text.slice(Math.max(0, index - 200), index));
      previousEnd = token.startsWith("//") && ownLine ? end : -1;
    } else if (groups?.["string"] !== undefined) {
      const value = token.slice(1, -1).replaceAll(/\$\{(?:[^`{}]|\{[^{}]*\}|`[^`]*`)*\}/g, "`x`");
      const last = strings.at(-1);
      if (last && /^\s*\+\s*$/.test(text.slice(last.end, index))) [last.end, last.value] = [end, last.value + value];
      else strings.push({ index, end, value });
    }
  }
  return [
    ...comments.flatMap((lines) => sentencesOfProse("comment", lines)),
    ...strings.flatMap(({ index, value }) => {
      const before = callBefore(code, index);
      const kind = MESSAGE.test(before) ? "message" : "test";
      if (!/\s/.test(value) || (kind === "test" && !(file.includes(".test.") && isTestName(code, index)))) return [];
      return splitBlock(kind, [{ line: lineAt(text, index), text: value.replaceAll("\\n", " ") }]);
    }),
  ];
}

function commentText(line: string): string {
  return line.replace(/^\s*(?:\/\*\*?|\*\/|\*|\/\/)? ?/, "").replace(/\s*\*\/$/, "");
}

function isTestName(code: string, index: number): boolean {
  return TEST_NAME.test(code.slice(Math.max(0, index - 200), index).trimEnd());
}

/** Returns the code before an index, up to the nearest open parenthesis. Returns an empty text if no parenthesis is open. */
function callBefore(code: string, index: number): string {
  let depth = 0;
  for (let at = index - 1; at >= 0 && at > index - 1_000; at -= 1) {
    if (code[at] === ")") depth += 1;
    if (code[at] === "(" && depth-- === 0) return code.slice(Math.max(0, at - 60), at + 1);
  }
  return "";
}

function lineAt(text: string, index: number): number {
  return text.slice(0, index).split("\n").length;
}

function blank(text: string): string {
  return text.replaceAll(/[^\n]/g, " ");
}
