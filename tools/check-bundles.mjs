// Checks that the browser bundles contain no server code and no name of a secret, and are not larger than allowed.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../packages/tollkeeper/dist", import.meta.url));

/**
 * Maximum size of each bundle with its static imports, in gzipped bytes. The maximum size does not include Stripe.js, which the
 * page loads later from Stripe.
 */
const BUDGETS = { "browser/index.js": 6_000, "elements/premium-modal-define.js": 9_000 };
/**
 * The patterns match names that occur only in server code. If a pattern matches, the matched name shows which code is wrongly
 * in the bundle.
 */
const FORBIDDEN = [
  /node:/,
  /\bsk_(test|live)_/,
  /\brk_(test|live)_/,
  /whsec_/,
  /STRIPE_SECRET_KEY/,
  /process\.env/,
  /kysely/i,
  /\bselect .* from\b/i,
  /createHmac/,
];

const problems = Object.entries(BUDGETS).flatMap(([entry, budget]) => checkEntry(entry, budget));
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}

/** Returns the problems of one browser bundle. */
function checkEntry(entry, budget) {
  const files = [...closure(join(dist, entry))].map((file) => ({ file, text: readFileSync(file, "utf8") }));
  const bytes = files.reduce((sum, { text }) => sum + gzipSync(text).length, 0);
  console.log(`${entry}: ${bytes} of ${budget} bytes gzipped, in ${files.length} files`);
  const leaks = files.flatMap(({ file, text }) =>
    FORBIDDEN.filter((pattern) => pattern.test(text)).map((pattern) => `${relative(dist, file)} contains ${pattern}`),
  );
  return bytes > budget ? [...leaks, `${entry} has ${bytes} bytes gzipped, at most ${budget} are allowed`] : leaks;
}

/**
 * Returns a file and all files that it imports statically. Dynamic imports do not count, because the browser loads them later.
 */
function closure(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return [...seen];
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, target] of text.matchAll(/(?:^|[;}\s])(?:import|export)[^"'();]*["'](\.[^"']+)["']/g))
    closure(join(dirname(file), target), seen);
  return [...seen];
}
