/** `tollkeeper plans push`: creates the plans' products and prices in Stripe. */
import { createInterface } from "node:readline/promises";
import type { Command } from "commander";
import { planChanges, pushPlans } from "../../actions/push-plans.ts";
import { resolveConfig } from "../../config/resolve-config.ts";
import { describeChange } from "../../domain/catalog.ts";
import { createStripeGateway } from "../../stripe/gateway/gateway.ts";
import { VERSION } from "../../version.ts";
import type { Environment } from "../../environment.ts";
import { loadOptions } from "../load-options.ts";

interface Options {
  config?: string;
  yes?: boolean;
}

export function addPlans(program: Command, env: Environment): void {
  program
    .command("plans")
    .description("manage the plans in Stripe")
    .command("push")
    .description("show the plans that are missing in Stripe, then create them; deletes nothing")
    .option("--config <file>", "file with the plans (default: tollkeeper.config.ts, .mjs or .js)")
    .option("--yes", "make the changes without a question")
    .action((options: Options) => runPush(env, options));
}

async function runPush(env: Environment, options: Options): Promise<void> {
  const config = resolveConfig(await loadOptions(env, options.config));
  const { secretKey, apiBase, networkRetries } = config.stripe;
  const gateway = createStripeGateway({
    secretKey,
    apiBase,
    networkRetries,
    mode: config.mode,
    userIdKey: config.userIdMetadataKey,
    version: VERSION,
    now: Date.now,
  });
  const changes = await planChanges(gateway, config.plans);
  if (changes.length === 0) return console.log(`Stripe (${config.mode}) has all plans as they are in code.`);
  console.log(`Stripe (${config.mode}) differs from the plans in code:\n${changes.map(describeChange).join("\n")}`);
  if (!options.yes && !(await confirm())) return console.log("Nothing was changed.");
  await pushPlans(gateway, changes, { newId: () => crypto.randomUUID(), now: Date.now }, (change) =>
    console.log(`done: ${describeChange(change)}`),
  );
}

/**
 * Asks the operator to confirm the changes of products and prices. Returns false if the operator refuses the changes or if
 * there is no terminal.
 */
async function confirm(): Promise<boolean> {
  if (!process.stdin.isTTY) {
    console.log("Run it again with --yes to make these changes.");
    return false;
  }
  const prompt = createInterface({ input: process.stdin, output: process.stdout });
  const answer = await prompt.question("Make these changes? [y/N] ");
  prompt.close();
  return /^y(es)?$/i.test(answer.trim());
}
