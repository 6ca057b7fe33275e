/** `tollkeeper emulator`: the local Stripe alone. */
import type { Command } from "commander";
import { DEFAULT_EMULATOR_PORT } from "../../config.ts";
import { serveEmulator } from "../../emulator/index.ts";
import { portFrom, wholeNumberFrom, type Env } from "../environment.ts";
import { untilStopped } from "../until-stopped.ts";

const MAX_SEED = 0x7fff_ffff;

interface Options {
  port?: string;
  webhook?: string;
  webhookSecret?: string;
  state?: string;
  seed?: string;
}

export function addEmulator(program: Command, env: Env): void {
  program
    .command("emulator")
    .description("run the local Stripe alone (EMULATOR_PORT)")
    .option("--port <port>", "where it listens, on 127.0.0.1")
    .option("--webhook <url>", "where events are delivered")
    .option("--webhook-secret <secret>", "what they are signed with (whsec_…)")
    .option("--state <file>", "keep the state over restarts in this file")
    .option("--seed <number>", "decides every id")
    .action((options: Options) => runEmulator(env, options));
}

async function runEmulator(env: Env, options: Options): Promise<void> {
  const port = portFrom("--port", options.port ?? env["EMULATOR_PORT"], DEFAULT_EMULATOR_PORT);
  const emulator = await serveEmulator({
    port,
    environment: env["NODE_ENV"],
    stateFile: options.state,
    onIgnored: (operation, param) => console.log(`ignored: ${param} of ${operation} changes nothing here`),
    seed: wholeNumberFrom("--seed", options.seed, MAX_SEED),
    webhooks: options.webhook === undefined ? [] : [{ url: options.webhook, secret: options.webhookSecret }],
  });
  console.log(
    `Stripe emulator on ${emulator.url} · any sk_test_ key works · webhooks to ${options.webhook ?? "nowhere"}`,
  );
  await untilStopped(emulator.close);
}
