/** Defines the exit codes of all commands. */
import type { Command } from "commander";

export const EXIT_CODES = {
  /** The command did its work, or a check found no difference. */
  done: 0,
  /** The command failed. The message names the cause. */
  failed: 1,
  /** The command line is wrong: an unknown command, option or argument. */
  usage: 2,
  /** The command found differences and did not remove them. */
  differences: 3,
} as const;

export type Outcome = keyof typeof EXIT_CODES;

export const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences found.
Variables in the file .env of the working folder are read.`;

/** Sets the function that runs a command. Its outcome becomes the exit code of the process. */
export function runs<Options extends object>(command: Command, run: (options: Options) => Promise<Outcome>): Command {
  return command.action(async (options: Options) => {
    process.exitCode = EXIT_CODES[await run(options)];
  });
}
