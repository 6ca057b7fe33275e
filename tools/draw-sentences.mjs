// node tools/draw-sentences.mjs [--seed HASH]: draws 60 sentences at random, so that people can judge if each is easy to
// understand. A test is printed with the names of its suites, as the test runner prints it. The default seed is the hash of the last
// commit, so that a draw can be repeated.
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { countWords, readSentences } from "./sentences.ts";

const COUNT = 60;
const MIN_WORDS = 4;
const KINDS = ["comment", "docs", "test"];
/** The last commit before the project introduced rules for commit subjects. */
const SUBJECTS_SINCE = "452b835";

const root = fileURLToPath(new URL("..", import.meta.url));
const git = (...args) => execFileSync("git", args, { cwd: root, encoding: "utf8" }).trim();

const { values } = parseArgs({ options: { seed: { type: "string", default: git("rev-parse", "HEAD") } } });
const subjects = git("log", "--format=%s", `${SUBJECTS_SINCE}..HEAD`).split("\n");
const written = readSentences(root).filter(({ kind }) => KINDS.includes(kind));
const suiteNames = new Set(written.flatMap(suitesOf));
const sentences = [
  ...written.filter(({ kind, text }) => kind !== "test" || !suiteNames.has(text)),
  ...subjects.map((text) => ({ text, masked: text })),
].filter((sentence) => countWords(sentence) >= MIN_WORDS);

const random = createRandom(values.seed);
const count = Math.min(COUNT, sentences.length);
for (let index = 0; index < count; index += 1) {
  const drawn = index + Math.floor(random() * (sentences.length - index));
  [sentences[index], sentences[drawn]] = [sentences[drawn], sentences[index]];
}
console.log(`${count} of ${sentences.length} sentences, seed ${values.seed}\n`);
for (const [index, sentence] of sentences.slice(0, count).entries())
  console.log(`${String(index + 1).padStart(2)}. ${[...suitesOf(sentence), sentence.text].join(" > ")}`);

/**
 * Returns the names of the suites around a test, the outermost first. Lines above the test with a smaller indentation belong to
 * the suites around the test.
 */
function suitesOf({ kind, file, line }) {
  if (kind !== "test") return [];
  const lines = readFileSync(`${root}/${file}`, "utf8").split("\n");
  const suites = [];
  let indent = lines[line - 1].search(/\S/);
  for (const above of lines.slice(0, line - 1).toReversed()) {
    const start = above.search(/\S/);
    if (start < 0 || start >= indent) continue;
    indent = start;
    const [, name] = /^\s*(?:describe\b.*?\(|\]\)\()["`]([^"`]+)["`], /.exec(above) ?? [];
    if (name) suites.unshift(name);
  }
  return suites;
}

/** Returns a function that generates pseudo-random numbers from 0 to 1 (mulberry32). */
function createRandom(seed) {
  let state = createHash("sha256").update(seed).digest().readUInt32LE(0);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
