/** `tollkeeper serve`: runs the service as a separate process. */
import type { Command } from "commander";
import { DEFAULT_HOST, DEFAULT_PORT, KEEP_ALIVE_SECONDS_RANGE } from "../../config/defaults.ts";
import { DEFAULT_KEEP_ALIVE_SECONDS, listen } from "../../http/listen.ts";
import { toNodeHandler } from "../../http/node.ts";
import { createTollkeeper } from "../../tollkeeper.ts";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, hostFrom, loadOptions, portFrom, wholeNumberFrom } from "../load-options.ts";
import { untilStopped } from "../until-stopped.ts";

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
  const host = hostFrom("HOST", env["HOST"], DEFAULT_HOST);
  const keepAliveSeconds = wholeNumberFrom("KEEP_ALIVE_SECONDS", env["KEEP_ALIVE_SECONDS"], KEEP_ALIVE_SECONDS_RANGE);
  const tollkeeper = createTollkeeper(options);
  await tollkeeper.start();
  const server = await listen(toNodeHandler(tollkeeper), {
    port,
    host,
    portName: "PORT",
    keepAliveMs: (keepAliveSeconds ?? DEFAULT_KEEP_ALIVE_SECONDS) * 1_000,
  });
  const shownHost = host.includes(":") ? `[${host}]` : host;
  console.log(`Tollkeeper on http://${shownHost}:${port}${tollkeeper.basePath} · ${options.stripeApiBase ?? "Stripe"}`);
  return untilStopped(async () => {
    await server.close();
    await tollkeeper.stop();
  });
}
