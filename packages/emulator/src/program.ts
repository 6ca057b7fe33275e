/** Defines the command line program `stripe-emulator`, which runs the emulator on a port. */
import { Command, CommanderError } from "commander";
import { DEFAULT_PORT, serveEmulator, VERSION } from "./index.ts";
import { runVerify } from "./verify/command.ts";

const MAX_PORT = 65_535;
const MAX_SEED = 0x7fff_ffff;
/** Maximum length of a wrong value that an error shows. */
const MAX_SHOWN = 8;
/** The longest time from SIGINT or SIGTERM to the exit of the process, even if a request never ends. */
const STOP_TIMEOUT_MS = 10_000;

interface Options {
  port?: string;
  host?: string;
  allowedHost?: string[];
  webhook?: string;
  webhookSecret?: string;
  state?: string;
  seller?: string;
  seed?: string;
  json?: boolean;
}

/** Runs the emulator with the options that the arguments of the process give. */
export async function runProgram(): Promise<void> {
  const program = new Command("stripe-emulator")
    .description("A local Stripe for subscription billing. No account needed.")
    .version(VERSION)
    .option("--port <port>", `port (default: EMULATOR_PORT, else ${DEFAULT_PORT}; 0 takes a free port)`)
    .option("--host <address>", "address to listen on (default: 127.0.0.1; 0.0.0.0 in a container)")
    .option(
      "--allowed-host <name...>",
      "host names that requests may use besides localhost, for example of a container",
    )
    .option("--webhook <url>", "deliver events to this URL")
    .option("--webhook-secret <secret>", "sign deliveries with this secret (whsec_…)")
    .option("--state <file>", "keep the state in this file across restarts")
    .option("--seller <name>", "name of the seller on the pages (default: Test seller)")
    .option("--seed <number>", "seed of all random IDs (default: 1)")
    .option("--json", "print the addresses as one line of JSON")
    .addHelpText("after", "\nExit codes: 0 done, 1 failed, 2 wrong usage.")
    .showHelpAfterError()
    .exitOverride()
    .action(run);
  program
    .command("verify")
    .description("play scenario files against a Stripe sandbox and against the emulator, and print the differences")
    .argument("<file...>", "files in the format of the Stripe CLI's fixtures")
    .option("--api-base <url>", "URL of Stripe's API (default: https://api.stripe.com)")
    .addHelpText("after", "\nThe variable STRIPE_SECRET_KEY contains the secret key of the sandbox.")
    .addHelpText("after", "\nExit codes: 0 no differences, 1 differences or failed, 2 wrong usage.")
    .action(verify);

  try {
    await program.parseAsync();
  } catch (error) {
    process.exit(exitCodeOf(error));
  }
}

/** Prints the error, and returns the exit code. The parser of the command line has already printed its own errors. */
function exitCodeOf(error: unknown): number {
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  const isExpected = error instanceof Error && "code" in error;
  console.error(error instanceof Error ? (isExpected ? error.message : error.stack) : String(error));
  return isExpected && error.code === "usage" ? 2 : 1;
}

async function verify(files: string[], { apiBase }: { apiBase?: string }): Promise<void> {
  const secretKey = process.env["STRIPE_SECRET_KEY"];
  const differences = await runVerify({ files, secretKey, apiBase, print: (line) => console.log(line) });
  process.exitCode = differences === 0 ? 0 : 1;
}

async function run(options: Options): Promise<void> {
  const port = options.port ?? process.env["EMULATOR_PORT"];
  const emulator = await serveEmulator({
    port: wholeNumber("--port", port, MAX_PORT) ?? DEFAULT_PORT,
    host: options.host,
    allowedHosts: options.allowedHost,
    environment: process.env["NODE_ENV"],
    stateFile: options.state,
    sellerName: options.seller,
    // With --json, the only line of the standard output is the JSON.
    onWarning: (message) => (options.json ? console.error(message) : console.log(message)),
    seed: wholeNumber("--seed", options.seed, MAX_SEED),
    webhooks:
      options.webhook === undefined ? [] : [{ url: webhookUrl(options.webhook), secret: options.webhookSecret }],
  });
  console.log(startText(emulator.url, options));
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await emulator.close();
  process.exit(0);
}

function startText(url: string, { json, webhook }: Options): string {
  if (json) return JSON.stringify({ url, viewer: `${url}/`, webhook: webhook ?? null });
  return `Stripe emulator on ${url} · any sk_test_ key works · webhooks to ${webhook ?? "nowhere"}`;
}

/**
 * Parses a command line option as a whole number from 0 to `max`. Returns undefined if the option's value is missing or
 * blank. Throws if the option's value is invalid.
 */
function wholeNumber(name: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= max) return number;
  // A long value is not shown, because it may be a secret that was pasted into the wrong place.
  const shown = value.length > MAX_SHOWN ? "" : ` "${value}"`;
  throw usageError(`${name}${shown} must be a whole number from 0 to ${max}`);
}

/** Checks the URL of the webhook. Throws if it is no URL, or if it contains a password, which no delivery could use. */
function webhookUrl(url: string): string {
  const { protocol, username, password } = URL.canParse(url)
    ? new URL(url)
    : { protocol: "", username: "", password: "" };
  if (protocol !== "http:" && protocol !== "https:")
    throw usageError("--webhook must be a URL such as http://localhost:3000");
  if (username !== "" || password !== "") throw usageError("--webhook must not contain a user name or password");
  return url;
}

function usageError(message: string): Error {
  return Object.assign(new Error(message), { code: "usage" });
}
