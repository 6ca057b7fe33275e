/** `tollkeeper plans`: compares the plans in code with Stripe, and creates the missing products and prices. */
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { pushPlans } from "../../actions/push-plans.ts";
import { describeChange } from "../../domain/product-changes.ts";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptions } from "../load-options.ts";
import { requireAccount } from "../require-account.ts";
import { compareWithStripe, PLAN_CHECKS, worstOutcome } from "../plan-checks.ts";

interface CheckOptions {
  config?: string;
}

interface PushOptions extends CheckOptions {
  yes?: boolean;
}

export function addPlans(program: Command, env: Environment): void {
  const plans = program.command("plans").description("compare the plans in code with Stripe, or create them in Stripe");
  plans
    .command("check")
    .description("show how Stripe differs from the plans in code and change nothing; for CI")
    .option(...CONFIG_OPTION)
    .action((options: CheckOptions) => exitWith(runCheck(env, options)));
  plans
    .command("push")
    .description("show the plans that are missing in Stripe, then create them; deletes nothing")
    .option(...CONFIG_OPTION)
    .option("--yes", "make the changes without a question")
    .action((options: PushOptions) => exitWith(runPush(env, options)));
}

/** Runs all checks, even after one has found something, so that one run shows everything. */
async function runCheck(env: Environment, { config }: CheckOptions): Promise<Outcome> {
  const options = await loadOptions(env, config);
  const outcomes: Outcome[] = [];
  for (const check of PLAN_CHECKS) {
    const { lines, outcome } = await check(options);
    for (const line of lines) console.log(line);
    outcomes.push(outcome);
  }
  return worstOutcome(outcomes);
}

async function runPush(env: Environment, { config, yes }: PushOptions): Promise<Outcome> {
  const options = await loadOptions(env, config);
  const { gateway, changes, lines } = await compareWithStripe(options);
  await requireAccount(options, gateway);
  for (const line of lines) console.log(line);
  if (changes.length === 0) return "done";
  if (!yes && !(await confirm())) return "differences";
  await pushPlans(gateway, changes, { newId: () => crypto.randomUUID(), now: Date.now }, (change) =>
    console.log(`done: ${describeChange(change)}`),
  );
  return "done";
}

/**
 * Asks the operator to confirm the changes of products and prices. Returns false if the operator refuses the changes or if
 * there is no terminal.
 */
async function confirm(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.log("Nothing was changed. Run the command again with --yes to make these changes.");
    return false;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question("Make these changes? [y/N] ");
  prompt.close();
  const confirmed = /^y(es)?$/i.test(answer.trim());
  if (!confirmed) console.log("Nothing was changed.");
  return confirmed;
}
