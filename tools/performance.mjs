// node tools/performance.mjs [--check]: makes docs/performance.md from the measurements in bench/results. With --check, the
// program fails if the page differs from the measurements.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const PAGE = path("docs/performance.md");

const INTRO = `# Performance

\`node tools/performance.mjs\` makes this page from the measurements in \`bench/results\`. Each benchmark compares its
figures with a baseline in the same run. Compare ratios rather than absolute figures, because the same machine can be several
times slower on another day.
`;

/**
 * The parts of the page docs/performance.md, by the name of the result file. The page docs/performance.md leaves out
 * measurements without a result file.
 */
const PARTS = {
  "webhook-endpoint": {
    title: "Webhook endpoint",
    meaning:
      "One process receives events of 6 KB, checks them and commits them to disk. The events arrive on 32 persistent connections.",
    command: "node bench/webhook-endpoint.ts",
  },
  "webhook-endpoint-steps": {
    title: "Steps of the webhook endpoint",
    meaning: "Time of each step of receiving an event, without HTTP. Each measured commit is on disk when it ends.",
    command: "node bench/webhook-endpoint-steps.ts",
  },
  claims: {
    title: "Claims",
    meaning:
      "Time in which the worker claims one event while another lane has 10 or 20,000 events. The time of a claim should not depend on the number of events in the other lane.",
    command: "node bench/claims.ts",
  },
  access: {
    title: "Access query",
    meaning:
      "Time of the query that loads the data of one user's access. The time of the query for a user's access should not depend on the size of the mirror.",
    command: "node bench/access.ts",
  },
  backfill: {
    title: "Backfill",
    meaning:
      "The first sweep writes an existing account of 20,000 subscriptions, and the second sweep finds no differences.",
    command: "node bench/backfill.ts",
  },
  checkouts: {
    title: "Concurrent checkouts",
    meaning: "Each user clicks fifty times at once, and must end with one customer and one live subscription.",
    command: "npm run load -- checkouts",
  },
  renewals: {
    title: "Renewals",
    meaning:
      "All renewals of a day send their webhooks within a minute, and the emulated Stripe accepts 100 requests a second.",
    command: "npm run load -- renewals",
  },
  "missed-webhooks": {
    title: "Missed webhooks",
    meaning:
      "One reconcile must repair the mirror after days without webhooks, at 20 requests a second in virtual time.",
    command: "npm run load -- missed-webhooks",
  },
  memory: {
    title: "Memory",
    meaning:
      "Memory of the service while a client sends webhooks as fast as it can. The service's memory must not grow.",
    command: "npm run load -- memory",
  },
  emulator: {
    title: "Emulator",
    meaning:
      "Speed and memory of the emulator in the process of the benchmark, without HTTP. An empty handler is measured for comparison.",
    command: "node --expose-gc bench/emulator.ts",
  },
  "other-emulators": {
    title: "Emulator over HTTP",
    meaning: "Speed of the same requests to the emulator and to stripe-stateful-mock, which stores no events.",
    command: "node bench/other-emulators.ts",
  },
  simulate: {
    title: "Simulation",
    meaning:
      "Number of random schedules of the [simulation](testing.md#the-simulation) that ran without breaking a rule of the service.",
    command: "npm run simulate -- --schedules 10000",
  },
  crash: {
    title: "Crash tests",
    meaning:
      "A service whose processes are killed must not lose an acknowledged event, and must not repeat a change at Stripe or a change of access.",
    command: "npm run crash",
  },
};

/**
 * A table has several figures per row only if at least this share of its cells is filled. If fewer cells of a table would be
 * filled, the table lists one figure per row.
 */
const LEAST_FILLED = 0.5;

const page = [INTRO, ...Object.entries(PARTS).flatMap(([name, part]) => renderPart(name, part))].join("\n");
if (!process.argv.includes("--check")) writeFileSync(PAGE, page);
else if (readFileSync(PAGE, "utf8") !== page) {
  console.error("docs/performance.md differs from bench/results. Run: node tools/performance.mjs");
  process.exitCode = 1;
}

/** Returns the text of one part of the page, or an empty list if the part was not measured. */
function renderPart(name, { title, meaning, command }) {
  const file = path(`bench/results/${name}.json`);
  if (!existsSync(file)) return [];
  const { date, commit, machine, figures } = JSON.parse(readFileSync(file, "utf8"));
  const { cpu, cores, memoryGb, node, os } = machine;
  const measured = `Measured on ${date} at commit ${commit}: ${cpu}, ${cores} cores, ${memoryGb} GB, Node ${node}, ${os}.`;
  return [`## ${title}\n\n${meaning} Run \`${command}\`.\n\n${renderTable(tableOf(figures))}\n\n${measured}\n`];
}

/**
 * Arranges the measured figures in a table. Returns the rows of a table, each as a list of cells; the first row is the head.
 */
function tableOf(figures) {
  const cells = new Map(figures.map((figure) => [`${groupOf(figure)}\n${metricOf(figure)}`, figure.value]));
  const groups = [...new Set(figures.map(groupOf))];
  const metrics = [...new Set(figures.map(metricOf))];
  const cell = (group, metric) => formatNumber(cells.get(`${group}\n${metric}`));
  if (cells.size < groups.length * metrics.length * LEAST_FILLED)
    return [
      ["case", "metric", "value"],
      ...figures.map((figure) => [groupOf(figure), metricOf(figure), formatNumber(figure.value)]),
    ];
  if (groups.length < metrics.length)
    return [["metric", ...groups], ...metrics.map((metric) => [metric, ...groups.map((group) => cell(group, metric))])];
  return [["case", ...metrics], ...groups.map((group) => [group, ...metrics.map((metric) => cell(group, metric))])];
}

function groupOf({ subject, store }) {
  return store === undefined ? subject : `${subject}, ${store}`;
}

function metricOf({ metric, unit }) {
  return unit === "" ? metric : `${metric} (${unit})`;
}

function formatNumber(value) {
  return value === undefined ? "–" : value.toLocaleString("en-US", { maximumFractionDigits: 3 });
}

/** Returns the table as Markdown, with its columns aligned as the formatter aligns them. */
function renderTable([head, ...rows]) {
  const widths = head.map((_, column) => Math.max(3, ...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(" | ")} |`;
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n");
}
