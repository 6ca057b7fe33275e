/** Defines the exit codes of all commands. */
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

/** The result of one check of `tollkeeper plans check`. */
export interface CheckResult {
  /** The lines to print, in order. */
  lines: readonly string[];
  outcome: Outcome;
}

export const EXIT_CODE_HELP = `
Exit codes: 0 done, 1 failed, 2 wrong usage, 3 differences found.
Variables in the file .env of the working folder are read.`;

/** Waits for the end of a command. Its outcome becomes the exit code of the process. */
export async function exitWith(outcome: Promise<Outcome>): Promise<void> {
  process.exitCode = EXIT_CODES[await outcome];
}
