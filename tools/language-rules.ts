/** Defines the rules for plain technical English that a program can check. */
import { countWords, type Sentence } from "./sentences.ts";

const MAX_WORDS = 30;
/**
 * A text with fewer words than this minimum may open with a question word, because it is a name, for example a table heading.
 */
const MIN_WORDS_OF_A_SENTENCE = 3;

const BANNED =
  /\b(?:hints?|tells?|told|whoever|somebody|nobody|work(?:s|ed) off|by the page|goes on|put off|taken in|the door|answers)\b/gi;
const OPENING = /^["'(*_[]*(what|who|where|whether|how)\b/i;

/** Returns the problems of one sentence; an empty list if there are none. */
export function findProblems(sentence: Pick<Sentence, "kind" | "masked">): string[] {
  const { kind, masked } = sentence;
  const problems = [...masked.matchAll(BANNED)].map(([word]) => `banned word "${word.toLowerCase()}"`);
  const words = countWords(sentence);
  if (kind !== "table" && words > MAX_WORDS) problems.push(`${words} words, at most ${MAX_WORDS}`);
  const opening = OPENING.exec(masked)?.[1];
  if (opening !== undefined && words >= MIN_WORDS_OF_A_SENTENCE && !/\?["')*_\]]*$/.test(masked))
    problems.push(`opens with "${opening}" and is no question`);
  return [...new Set(problems)];
}
