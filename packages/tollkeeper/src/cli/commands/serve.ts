/** `tollkeeper serve`: runs the service as a separate process. */
import type { Command } from "commander";
import { DEFAULT_HOST, DEFAULT_PORT } from "../../config/defaults.ts";
import { ConfigError } from "../../errors.ts";
import { DEFAULT_KEEP_ALIVE_SECONDS, listen } from "../../http/listen.ts";
import { toNodeHandler } from "../../http/node.ts";
import { createTollkeeper } from "../../tollkeeper.ts";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptions, portFrom } from "../load-options.ts";
import { untilStopped } from "../until-stopped.ts";

const MAX_KEEP_ALIVE_SECONDS = 3_600;
/** Maximum number of characters of a wrong value that an error text shows. */
const MAX_SHOWN = 100;

export function addServe(program: Command, env: Environment): void {
  program
    .command("serve")
    .description("run the service on PORT and HOST (all variables: docs/stripe_configuration.md)")
    .option(...CONFIG_OPTION)
    .action(({ config }: { config?: string }) => exitWith(runServe(env, config)));
}

export async function runServe(env: Environment, configFile: string | undefined): Promise<Outcome> {
  const options = await loadOptions(env, configFile);
  const port = portFrom("PORT", env["PORT"], DEFAULT_PORT);
  const host = env["HOST"] ?? DEFAULT_HOST;
  const keepAliveMs = keepAliveSecondsFrom(env["KEEP_ALIVE_SECONDS"]) * 1_000;
  const tollkeeper = createTollkeeper(options);
  await tollkeeper.start();
  const server = await listen(toNodeHandler(tollkeeper), { port, host, portName: "PORT", keepAliveMs });
  console.log(`Tollkeeper on http://${host}:${port}${tollkeeper.basePath} · ${options.stripeApiBase ?? "Stripe"}`);
  return untilStopped(async () => {
    await server.close();
    await tollkeeper.stop();
  });
}

/** Returns the seconds that the environment variable sets. Throws `ConfigError` if its value is not a number in the range. */
function keepAliveSecondsFrom(text: string | undefined): number {
  if (text === undefined || text.trim() === "") return DEFAULT_KEEP_ALIVE_SECONDS;
  const seconds = Number(text);
  if (Number.isInteger(seconds) && seconds >= 1 && seconds <= MAX_KEEP_ALIVE_SECONDS) return seconds;
  throw new ConfigError([
    `KEEP_ALIVE_SECONDS "${text.slice(0, MAX_SHOWN)}" must be a whole number from 1 to ${MAX_KEEP_ALIVE_SECONDS}`,
  ]);
}
