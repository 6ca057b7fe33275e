// Looks into what browsers get: nothing of the server, no secret's name, and not more bytes than allowed.
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const dist = fileURLToPath(new URL("../packages/tollkeeper/dist", import.meta.url));

/** entry -> the most gzipped bytes of it with all it imports at once. Stripe.js itself comes from Stripe, later. */
const BUDGETS = { "browser/index.js": 6_000, "elements/premium-modal-define.js": 9_000 };
/** Names that only the server has: which one turns up says what leaked. */
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

const problems = [];
for (const [entry, budget] of Object.entries(BUDGETS)) {
  const files = closure(join(dist, entry));
  let bytes = 0;
  for (const file of files) {
    const text = readFileSync(file, "utf8");
    bytes += gzipSync(text).length;
    for (const pattern of FORBIDDEN) if (pattern.test(text)) problems.push(`${relative(dist, file)} holds ${pattern}`);
  }
  console.log(`${entry}: ${bytes} of ${budget} bytes gzipped, in ${files.length} files`);
  if (bytes > budget) problems.push(`${entry} is ${bytes} bytes gzipped, over its ${budget}`);
}
if (problems.length > 0) {
  console.error(problems.join("\n"));
  process.exit(1);
}

/** The file and what it imports at once; what it imports later is not loaded with it. */
function closure(file, seen = new Set()) {
  if (seen.has(file) || !existsSync(file)) return [...seen];
  seen.add(file);
  const text = readFileSync(file, "utf8");
  for (const [, target] of text.matchAll(/(?:^|[;}\s])(?:import|export)[^"'();]*["'](\.[^"']+)["']/g))
    closure(join(dirname(file), target), seen);
  return [...seen];
}
