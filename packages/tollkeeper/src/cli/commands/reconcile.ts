/** `tollkeeper reconcile`: reads missed events and repairs the mirror. */
import { InvalidArgumentError, type Command } from "commander";
import { describeDrift } from "../../domain/drift.ts";
import { createTollkeeper, type ReconcileReport } from "../../tollkeeper.ts";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptions } from "../load-options.ts";

interface Options {
  config?: string;
  dryRun?: boolean;
  since?: number;
  sweep?: boolean;
}

/** Maximum number of differences that `tollkeeper reconcile` shows. */
const MAX_SHOWN = 50;

export function addReconcile(program: Command, env: Environment): void {
  program
    .command("reconcile")
    .description("read missed events and, once a day, all lists; repair each difference from Stripe")
    .option(...CONFIG_OPTION)
    .option("--dry-run", "show the differences and change nothing; exit code 3 if there are differences")
    .option(
      "--since <date>",
      "read events from this date, such as 2026-01-31 or 2026-01-31T12:00:00Z",
      (text: string): number => instantOf(text),
    )
    .option("--sweep", "read all lists, even if they were read today")
    .action((options: Options) => exitWith(runReconcile(env, options)));
}

async function runReconcile(env: Environment, { config, dryRun, since, sweep }: Options): Promise<Outcome> {
  const tollkeeper = createTollkeeper({ ...(await loadOptions(env, config)), runWorker: false });
  const show = progress();
  try {
    const report = await tollkeeper.reconcile({
      dryRun,
      sweep: sweep ? true : undefined,
      since,
      onProgress: ({ step, read }) => show(`${step.replace("_", " ")}: ${read} read`),
    });
    show(null);
    if (!report) {
      console.error("Nothing was read, because another replica is reconciling. Run the command again later.");
      return "failed";
    }
    if (!dryRun) {
      console.log("Processing missed events ...");
      await tollkeeper.drain();
    }
    console.log(describe(report, dryRun ?? false));
    const differs = report.differences > 0 || report.events.missed > 0;
    return dryRun && differs ? "differences" : "done";
  } finally {
    await tollkeeper.stop();
  }
}

function describe({ events, swept, drift, differences, warnings }: ReconcileReport, dryRun: boolean): string {
  const lines = [
    `Events: ${events.read} read, ${events.missed} had not arrived.`,
    swept
      ? `Swept: ${swept.customers} customers, ${swept.subscriptions} subscriptions, ${swept.open_invoices} open invoices.`
      : "Swept: no (use --sweep to read all lists).",
    drift.length === 0
      ? swept
        ? "The mirror equals Stripe."
        : null
      : `${differences} ${differences === 1 ? "difference" : "differences"}${dryRun ? ", not repaired" : ""}:`,
    ...drift.slice(0, MAX_SHOWN).map((one) => `  ${describeDrift(one)}`),
    differences > MAX_SHOWN ? `  and ${differences - MAX_SHOWN} more` : null,
    ...warnings.map((warning) => `! ${warning}`),
  ];
  return lines.filter((line) => line !== null).join("\n");
}

function instantOf(text: string): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError(`"${text}" is not a date: use a date such as 2026-01-31.`);
  return at;
}

/**
 * Creates a function that shows the progress of a reconcile. On a terminal, the progress of a reconcile is one line that is
 * rewritten. Without a terminal, a line of progress is printed only when a new step of the reconcile starts.
 */
function progress(): (line: string | null) => void {
  let step = "";
  return (line) => {
    if (process.stdout.isTTY) process.stdout.write(line === null ? "\n" : `\r\u001B[K${line}`);
    else if (line !== null && line.split(":")[0] !== step)
      console.log(`Reading ${(step = line.split(":")[0] ?? "")} ...`);
  };
}
