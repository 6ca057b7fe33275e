/** `tollkeeper reconcile`: finds what was missed, and repairs the mirror. */
import type { Command } from "commander";
import { describeDrift } from "../../domain/drift.ts";
import { ConfigError } from "../../errors.ts";
import { createTollkeeper, type ReconcileReport } from "../../tollkeeper.ts";
import { loadOptions, type Env } from "../environment.ts";

interface Options {
  config?: string;
  dryRun?: boolean;
  since?: string;
  sweep?: boolean;
}

/** What is shown of the differences. */
const MAX_SHOWN = 50;

export function addReconcile(program: Command, env: Env): void {
  program
    .command("reconcile")
    .description("read the events that were missed and, once a day, everything; repair what differs from Stripe")
    .option("--config <file>", "plans, hooks and options (default: tollkeeper.config.ts, .mjs or .js)")
    .option("--dry-run", "tell what differs, and change nothing")
    .option("--since <date>", "events from then on, such as 2026-01-31 or 2026-01-31T12:00:00Z")
    .option("--sweep", "read everything, whenever that was done last")
    .action((options: Options) => runReconcile(env, options));
}

async function runReconcile(env: Env, { config, dryRun, since, sweep }: Options): Promise<void> {
  const tollkeeper = createTollkeeper({ ...(await loadOptions(env, config)), runWorker: false });
  const show = progress();
  try {
    const report = await tollkeeper.reconcile({
      dryRun,
      sweep: sweep ? true : undefined,
      since: since === undefined ? undefined : instantOf(since),
      onProgress: ({ step, read }) => show(`${step.replace("_", " ")}: ${read} read`),
    });
    show(null);
    if (!report) return console.log("Another replica is at it already.");
    if (!dryRun) {
      console.log("Working off what was missed ...");
      await tollkeeper.settle();
    }
    console.log(describe(report, dryRun ?? false));
  } finally {
    await tollkeeper.stop();
  }
}

function describe({ events, swept, drift, differences, alarms }: ReconcileReport, dryRun: boolean): string {
  const lines = [
    `Events: ${events.read} read, ${events.missed} had not arrived.`,
    swept
      ? `Swept: ${swept.customers} customers, ${swept.subscriptions} subscriptions, ${swept.open_invoices} open invoices.`
      : "Swept: not this time (--sweep reads everything).",
    drift.length === 0
      ? swept
        ? "The mirror is as Stripe is."
        : null
      : `${differences} ${differences === 1 ? "difference" : "differences"}${dryRun ? ", left as they are" : ""}:`,
    ...drift.slice(0, MAX_SHOWN).map((one) => `  ${describeDrift(one)}`),
    differences > MAX_SHOWN ? `  and ${differences - MAX_SHOWN} more` : null,
    ...alarms.map((alarm) => `! ${alarm}`),
  ];
  return lines.filter((line) => line !== null).join("\n");
}

function instantOf(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new ConfigError([`--since "${text}" is no date: write it as 2026-01-31`]);
  return at;
}

/** One line that is written over on a terminal; elsewhere a line each time the step changes. */
function progress(): (line: string | null) => void {
  let step = "";
  return (line) => {
    if (process.stdout.isTTY) process.stdout.write(line === null ? "\n" : `\r\u001B[K${line}`);
    else if (line !== null && line.split(":")[0] !== step)
      console.log(`Reading ${(step = line.split(":")[0] ?? "")} ...`);
  };
}
