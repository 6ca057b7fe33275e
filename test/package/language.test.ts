import { describe, expect, test } from "vitest";
import { findProblems } from "../../tools/language-rules.ts";
import { countWords, sentencesOf } from "../../tools/sentences.ts";

const problemsOf = (file: string, text: string): string[] => sentencesOf(file, text).flatMap(findProblems);
const words = (count: number): string => Array.from({ length: count }, () => "word").join(" ");

describe("the language check", () => {
  test.each([
    "Returns the number of rows.",
    "Claims the next event, so that no other worker processes it.",
    "Where is the configuration?",
    "The field `answers` is code, and so is `nobody`.",
    "See [the page](https://example.com/nobody).",
    `Sentence of thirty: ${words(27)}.`,
  ])("accepts %s", (sentence) => {
    expect(problemsOf("page.md", sentence)).toEqual([]);
  });

  test.each([
    ["It answers the number of rows.", 'banned word "answers"'],
    ["A hint is processed later.", 'banned word "hint"'],
    ["Nobody owns the lease.", 'banned word "nobody"'],
    ["What the worker claims.", 'opens with "What" and is no question'],
    ["- **Where** the row is stored.", 'opens with "Where" and is no question'],
    [`Too long: ${words(29)}.`, "31 words, at most 30"],
  ])("rejects %s", (sentence, problem) => {
    expect(problemsOf("page.md", sentence)).toEqual([problem]);
  });

  test("treats consecutive comment lines as one sentence that starts at the first line", () => {
    const source = `const one = "// no comment";\n// First one. The second\n// goes on here.\nrun(one);\n`;
    expect(sentencesOf("file.ts", source).map(({ line, text }) => [line, text])).toEqual([
      [2, "First one."],
      [2, "The second goes on here."],
    ]);
  });

  test("ignores tags, directives, fenced code and links in comments", () => {
    const source = `/**\n * Reads a row.\n * @see https://example.com/nobody\n */\n// oxlint-disable-next-line no-console -- told so\n`;
    expect(sentencesOf("file.ts", source).map(({ text }) => text)).toEqual(["Reads a row."]);
    expect(sentencesOf("page.md", "```sh\ntell nobody\n```\n")).toEqual([]);
  });

  test("checks error texts and test names, but no other strings in the code", () => {
    const source = `throw new Error(\`nobody has \${id}\`);\nlog.warn({ id }, "told " + "twice now");\nrun("nobody else");\n`;
    expect(problemsOf("file.ts", source)).toEqual(['banned word "nobody"', 'banned word "told"']);
    expect(problemsOf("file.test.ts", `test.each([1])("what is written", () => {});\n`)).toHaveLength(1);
  });

  test("counts inline code as one word", () => {
    const [sentence] = sentencesOf("page.md", "Run `npm run load -- renewals` now.");
    expect(sentence && countWords(sentence)).toBe(3);
  });
});
