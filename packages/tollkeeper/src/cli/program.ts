/** Defines the command line program `tollkeeper`: its commands, and the exit code of each outcome. */
import { statSync } from "node:fs";
import { Command, CommanderError } from "commander";
import { VERSION } from "../version.ts";
import { addDev } from "./commands/dev.ts";
import { addEvents } from "./commands/events.ts";
import { addMigrate } from "./commands/migrate.ts";
import { addPlans } from "./commands/plans.ts";
import { addReconcile } from "./commands/reconcile.ts";
import { addServe } from "./commands/serve.ts";
import { errorText } from "./error-text.ts";
import { EXIT_CODE_HELP, EXIT_CODES } from "./exit-codes.ts";

const ENV_FILE = ".env";

/** Runs the command that the arguments of the process name. */
export async function runProgram(): Promise<void> {
  // Python's virtual environments are often folders with the name ".env".
  if (statSync(ENV_FILE, { throwIfNoEntry: false })?.isDirectory() === false) process.loadEnvFile(ENV_FILE);
  const program = new Command("tollkeeper")
    .description("Stripe subscriptions for TypeScript apps")
    .version(VERSION)
    .addHelpText("afterAll", EXIT_CODE_HELP)
    .showHelpAfterError()
    .enablePositionalOptions()
    .exitOverride();
  for (const add of [addDev, addServe, addMigrate, addPlans, addReconcile, addEvents]) add(program, process.env);
  try {
    await program.parseAsync();
  } catch (error) {
    // Without a call of `process.exit`, timers and connections of a failed start would keep the process alive.
    process.exit(exitCodeOf(error));
  }
}

/** Prints the error, and returns the exit code. The parser of the command line has already printed its own errors. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT_CODES.done : EXIT_CODES.usage;
  console.error(errorText(error));
  return EXIT_CODES.failed;
}
