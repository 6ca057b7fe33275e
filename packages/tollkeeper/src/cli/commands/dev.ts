/** `tollkeeper dev`: runs the app with a local Stripe. Needs no Stripe account and no variables of Stripe. */
import { spawn, type ChildProcess } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Command } from "commander";
import { pushPlans } from "../../actions/push-plans.ts";
import { DEFAULT_BASE_PATH, PORT_RANGE } from "../../config/defaults.ts";
import { describeChange } from "../../domain/product-changes.ts";
import type { Environment } from "../../environment.ts";
import { TollkeeperError } from "../../errors.ts";
import { loadEmulatorPackage } from "../../load-emulator.ts";
import type { TollkeeperOptions } from "../../options.ts";
import { CONFIG_OPTION, loadOptions, wholeNumberFrom } from "../load-options.ts";
import { compareWithStripe } from "../plan-checks.ts";

interface DevOptions {
  config?: string;
}

interface EmulatorPackage {
  serveEmulator(options: {
    port: number;
    stateFile: string;
    environment: string | undefined;
    webhooks: readonly { url: string; secret: string }[];
  }): Promise<{ url: string; close(): Promise<void> }>;
}

const DEFAULT_APP_PORT = 3_000;
const DEFAULT_EMULATOR_PORT = 12_111;
/** The folder of the service's default database. The emulator's state is beside it, because both belong together. */
const FOLDER = ".tollkeeper";
/** Each secret key has its own account in the emulator, so the keys never change. */
const KEYS = {
  STRIPE_SECRET_KEY: "sk_test_local",
  STRIPE_PUBLISHABLE_KEY: "pk_test_local",
  STRIPE_WEBHOOK_SECRET: "whsec_local_secret",
};

export function addDev(program: Command, env: Environment): void {
  program
    .command("dev")
    .description("run your app with a local Stripe, without an account: tollkeeper dev node server.ts")
    .option(...CONFIG_OPTION)
    .argument("<command...>", "the command that starts your app on PORT (default: 3000)")
    .passThroughOptions()
    .action(async (command: string[], options: DevOptions) => process.exit(await runDev(env, command, options)));
}

/** Resolves with the exit code of the app after the app has ended. */
async function runDev(env: Environment, command: readonly string[], { config }: DevOptions): Promise<number> {
  const { serveEmulator } = await loadEmulatorPackage<EmulatorPackage>();
  const port = fixedPort(env, "PORT", DEFAULT_APP_PORT);
  const emulatorPort = fixedPort(env, "EMULATOR_PORT", DEFAULT_EMULATOR_PORT);
  const appEnv = {
    ...env,
    ...KEYS,
    STRIPE_API_BASE: `http://127.0.0.1:${emulatorPort}`,
    APP_URL: env["APP_URL"]?.trim() || `http://localhost:${port}`,
    PORT: String(port),
  };
  // The config file may read the variables itself.
  Object.assign(process.env, appEnv);
  const options = await loadOptions(appEnv, config);
  mkdirSync(FOLDER, { recursive: true });
  const webhook = `http://127.0.0.1:${port}${options.basePath ?? DEFAULT_BASE_PATH}/webhook`;
  const emulator = await serveEmulator({
    port: emulatorPort,
    stateFile: join(FOLDER, "emulator.json"),
    environment: env["NODE_ENV"],
    webhooks: [{ url: webhook, secret: KEYS.STRIPE_WEBHOOK_SECRET }],
  });
  try {
    await createPlans(options);
    console.log(`Local Stripe: ${emulator.url} (customers, events, and a clock that you move)`);
    console.log(`Starting ${command.join(" ")} for http://localhost:${port}`);
    return await runApp(command, appEnv);
  } finally {
    await emulator.close();
  }
}

/** Returns the port that a variable sets. Throws `ConfigError` for 0, because the app and the local Stripe must know each other. */
function fixedPort(env: Environment, name: string, fallback: number): number {
  return wholeNumberFrom(name, env[name], { ...PORT_RANGE, min: 1 }) ?? fallback;
}

/** Creates the products and prices that the local Stripe lacks. */
async function createPlans(options: TollkeeperOptions): Promise<void> {
  const { gateway, changes } = await compareWithStripe(options);
  await pushPlans(gateway, changes, { newId: () => crypto.randomUUID(), now: Date.now }, (change) =>
    console.log(`done: ${describeChange(change)}`),
  );
}

async function runApp([name = "", ...args]: readonly string[], env: Environment): Promise<number> {
  const app = spawn(name, args, { env, stdio: "inherit", shell: process.platform === "win32" });
  const stopPassing = passSignals(app);
  try {
    return await new Promise<number>((resolve, reject) => {
      app.once("error", ({ message }) =>
        reject(new TollkeeperError(500, "invalid_config", `${name} can't be started: ${message}`)),
      );
      app.once("exit", (code) => resolve(code ?? 1));
    });
  } finally {
    stopPassing();
  }
}

/** Passes SIGTERM to the app. A terminal itself sends SIGINT to all its processes, and the app decides when it ends. */
function passSignals(app: ChildProcess): () => void {
  const terminate = (): void => void app.kill("SIGTERM");
  process.on("SIGTERM", terminate).on("SIGINT", ignore);
  return () => void process.off("SIGTERM", terminate).off("SIGINT", ignore);
}

function ignore(): void {}
