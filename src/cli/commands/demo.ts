/** `tollkeeper demo`: everything on this machine, with no Stripe account. */
import type { Command } from "commander";
import { DEFAULT_EMULATOR_PORT, DEFAULT_PORT } from "../../config.ts";
import { startDemo } from "../../demo/index.ts";
import { portFrom, type Env } from "../environment.ts";
import { untilStopped } from "../until-stopped.ts";

const FOLDER = ".tollkeeper/demo";

export function addDemo(program: Command, env: Env): void {
  program
    .command("demo")
    .description("try everything on this machine, with no Stripe account (PORT, EMULATOR_PORT, DATABASE_URL)")
    .option("--fresh", "forget what earlier runs left")
    .action((options: { fresh?: boolean }) => runDemo(env, options.fresh ?? false));
}

export async function runDemo(env: Env, fresh: boolean): Promise<void> {
  const demo = await startDemo({
    port: portFrom("PORT", env["PORT"], DEFAULT_PORT),
    emulatorPort: portFrom("EMULATOR_PORT", env["EMULATOR_PORT"], DEFAULT_EMULATOR_PORT),
    folder: FOLDER,
    databaseUrl: env["DATABASE_URL"],
    environment: env["NODE_ENV"],
    logLevel: env["LOG_LEVEL"],
    fresh,
  });
  console.log(`Demo on ${demo.url} · Stripe emulator on ${demo.emulatorUrl} · no account, no real money`);
  console.log(`Open ${demo.url} and pay with 4242 4242 4242 4242. State is kept in ${FOLDER}; Ctrl+C stops.`);
  await untilStopped(demo.stop);
}
