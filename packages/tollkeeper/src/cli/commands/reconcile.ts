/** `tollkeeper reconcile`: reads missed events and repairs the mirror. */
import { InvalidArgumentError, type Command } from "commander";
import { describeDrift } from "../../domain/drift.ts";
import { compose, type ReconcileReport } from "../../tollkeeper.ts";
import { modeOf } from "../../config/relations.ts";
import { resolveOptions } from "../../config/resolve-config.ts";
import type { Environment } from "../../environment.ts";
import type { TollkeeperOptions } from "../../options.ts";
import { openStore } from "../../store/open-store.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptions } from "../load-options.ts";
import { openDryRunStore } from "../open-dry-run-store.ts";

interface Options {
  accept?: boolean;
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
      (text: string): number => pastInstantOf(text, Date.now()),
    )
    .option("--sweep", "read all lists, even if they were read today")
    .option("--accept", "sweep even if that ends 10 or more, and over 20 %, of the live subscriptions")
    .action((options: Options) => exitWith(runReconcile(env, options)));
}

/** The options that this command uses. It asks for no others, because no webhook and no user reaches the command. */
const USED = [
  "plans",
  "app",
  "access",
  "userIdMetadataKey",
  "stripeSecretKey",
  "stripeApiBase",
  "stripeNetworkRetries",
  "stripeRequestsPerSecond",
  "stripeRequestsPerEndpoint",
  "stripeRequestsInFlight",
  "stripeAccountChanged",
  "databaseUrl",
  "reconcileEveryMinutes",
  "keepDoneDays",
  "logLevel",
  "log",
  "tracer",
  "fetch",
  "runtime",
] as const satisfies readonly (keyof TollkeeperOptions)[];

/**
 * Returns the options of a service that receives no requests and runs no hooks. The app runs the hooks. If this command ran
 * them, the app could miss a change, for example one that it caches in memory. Throws `ConfigError` for an invalid value of a
 * used option, and for an unknown option.
 */
function withoutRequestsAndHooks(options: TollkeeperOptions): TollkeeperOptions {
  const { stripeSecretKey } = resolveOptions(options, USED);
  const used = Object.fromEntries(USED.map((name) => [name, options[name]])) as Pick<
    TollkeeperOptions,
    (typeof USED)[number]
  >;
  return {
    ...used,
    stripePublishableKey: `pk_${modeOf(stripeSecretKey)}_none`,
    stripeWebhookSecrets: ["whsec_receives_no_webhooks"],
    appUrl: "https://localhost",
    authenticate: () => null,
    runWorker: false,
  };
}

async function runReconcile(env: Environment, chosen: Options): Promise<Outcome> {
  const { config, dryRun, since, sweep, accept } = chosen;
  const options = withoutRequestsAndHooks(await loadOptions(env, config));
  const tollkeeper = compose(options, dryRun ? openDryRunStore : openStore);
  const show = progress();
  try {
    const report = await tollkeeper.reconcile({
      dryRun,
      sweep: sweep ? true : undefined,
      since,
      accept,
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
    console.log(describe(report, chosen));
    if (report.sweepStopped && !dryRun) return "failed";
    const differs = report.differences > 0 || report.events.missed > 0;
    return dryRun && differs ? "differences" : "done";
  } finally {
    await tollkeeper.stop();
  }
}

function describe(report: ReconcileReport, { dryRun = false, since = Infinity }: Options): string {
  const { events, swept, sweepStopped, drift, differences, warnings } = report;
  const lines = [
    `Events: ${events.read} read, ${events.missed} had not arrived.`,
    since < events.since
      ? `! Events before ${new Date(events.since).toISOString()} were not read, because Stripe keeps events for 30 days only. ` +
        "A sweep finds older changes."
      : null,
    swept
      ? `Swept: ${swept.customers} customers, ${swept.subscriptions} subscriptions, ${swept.open_invoices} open invoices, ` +
        `${swept.refunds} refunds, ${swept.disputes} disputes.`
      : sweepStopped
        ? null
        : "Swept: no (use --sweep to read all lists).",
    drift.length === 0
      ? swept
        ? "The mirror equals Stripe."
        : null
      : `${differences} ${differences === 1 ? "difference" : "differences"}${dryRun ? ", not repaired" : ""}:`,
    ...drift.slice(0, MAX_SHOWN).map((one) => `  ${describeDrift(one)}`),
    differences > MAX_SHOWN ? `  and ${differences - MAX_SHOWN} more` : null,
    sweepStopped ? describeStop(sweepStopped, dryRun) : null,
    ...warnings.map((warning) => `! ${warning}`),
  ];
  return lines.filter((line) => line !== null).join("\n");
}

function describeStop({ live, ending }: NonNullable<ReconcileReport["sweepStopped"]>, dryRun: boolean): string {
  const ends = `${ending} of ${live} live subscriptions have ended at Stripe`;
  return dryRun
    ? `! ${ends}. A sweep stops until you run: npx tollkeeper reconcile --accept`
    : `! The sweep stopped and changed nothing, because ${ends}. Check that STRIPE_SECRET_KEY and DATABASE_URL belong ` +
        `together. If the subscriptions have really ended, run: npx tollkeeper reconcile --accept`;
}

function pastInstantOf(text: string, now: number): number {
  const at = Date.parse(text);
  if (Number.isNaN(at)) throw new InvalidArgumentError(`"${text}" is not a date: use a date such as 2026-01-31.`);
  if (at > now) throw new InvalidArgumentError(`"${text}" is in the future: use a date in the past.`);
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
