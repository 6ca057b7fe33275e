/** `tollkeeper migrate`: applies missing migrations to the database. */
import type { Command } from "commander";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptionsWithoutPlans } from "../load-options.ts";
import { openCommandStore } from "../open-command-store.ts";

interface Options {
  config?: string;
}

export function addMigrate(program: Command, env: Environment): void {
  program
    .command("migrate")
    .description("apply missing migrations to DATABASE_URL")
    .option(...CONFIG_OPTION)
    .action((options: Options) => exitWith(runMigrate(env, options)));
}

async function runMigrate(env: Environment, { config }: Options): Promise<Outcome> {
  const store = openCommandStore(await loadOptionsWithoutPlans(env, config), { mode: "test" });
  try {
    const applied = await store.migrate();
    console.log(
      applied.length > 0 ? `Applied: ${applied.join(", ")}` : "Nothing to apply: the database is up to date.",
    );
  } finally {
    await store.close();
  }
  return "done";
}
