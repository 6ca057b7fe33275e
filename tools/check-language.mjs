// node tools/check-language.mjs [PREFIX...]: checks the language of comments, docs, test names, errors and logs. Path prefixes
// as arguments limit the check to some folders or files.
import { fileURLToPath } from "node:url";
import { findProblems } from "./language-rules.ts";
import { readSentences } from "./sentences.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const sentences = readSentences(root, process.argv.slice(2));
const problems = sentences.flatMap((sentence) =>
  findProblems(sentence).map((problem) => `${sentence.file}:${sentence.line}: ${problem}: "${sentence.text}"`),
);
for (const problem of problems) console.log(problem);
console.log(`${sentences.length} sentences, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
