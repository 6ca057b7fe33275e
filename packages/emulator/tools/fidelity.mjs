// Writes FIDELITY.md from the emulator's routes and the SDK's operations; with --check it only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { fidelity } from "../src/fidelity.ts";
import { operations } from "../src/core/shapes.ts";
import { DERIVED } from "./derived-behaviours.mjs";

const target = new URL("../FIDELITY.md", import.meta.url);
const known = fidelity();
const behaves = known.filter(({ tier }) => tier === "behaves");
const refused = known.filter(({ tier }) => tier === "refused");

const text = `# How true the emulator is

Made by \`node packages/emulator/tools/fidelity.mjs\` from the emulator's own routes and the types of \`stripe\` ${operations().stripe}
(API version ${operations().api}), and compared by \`npm test\`.

Of the SDK's ${known.length} v1 operations ${behaves.length} **behave** as Stripe does for the parameters they use, and ${refused.length} are
**refused** with a 501 whose error says so. None answers with a shape and no behaviour behind it.

A parameter that Stripe does not know is refused with Stripe's 400. One that Stripe knows and the emulator does not use is
taken and **ignored**; the viewer and the log say so. It is listed here.

## What behaves

| operation | request | ignored parameters |
|---|---|---|
${behaves.map(row).join("\n")}

## What is derived

These follow from Stripe's documents and from each other; no recorded answer of Stripe's shows them.

${DERIVED.map((line) => `- ${line}`).join("\n")}

## What is refused

${refusedByResource().join("\n")}
`;

function row({ name, method, path, ignored }) {
  return `| ${name} | ${method} ${path} | ${ignored.map((param) => `\`${param}\``).join(", ")} |`;
}

function refusedByResource() {
  const groups = new Map();
  for (const { name } of refused) {
    const dot = name.lastIndexOf(".");
    const resource = name.slice(0, dot);
    groups.set(resource, [...(groups.get(resource) ?? []), name.slice(dot + 1)]);
  }
  return [...groups]
    .toSorted(([one], [other]) => one.localeCompare(other))
    .map(([name, all]) => `- ${name}: ${all.join(", ")}`);
}

if (!process.argv.includes("--check")) {
  writeFileSync(target, text);
  console.log(`FIDELITY.md: ${behaves.length} operations behave, ${refused.length} are refused`);
} else if (readFileSync(target, "utf8") !== text) {
  console.error(
    "FIDELITY.md is not what the emulator does any more: run `node packages/emulator/tools/fidelity.mjs` and read what changed.",
  );
  process.exit(1);
} else console.log(`FIDELITY.md is true: ${behaves.length} operations behave, ${refused.length} are refused`);
