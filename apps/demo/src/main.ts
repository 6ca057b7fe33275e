/** `npm start` without a Stripe key: runs the demo until the process gets a signal. */
import { parseArgs } from "node:util";
import { startDemo } from "./demo.ts";

const FOLDER = ".tollkeeper/demo";
const DEFAULT_PORT = 4242;
const DEFAULT_EMULATOR_PORT = 12_111;
const MAX_PORT = 65_535;
/** Milliseconds within which the process exits after a signal, even if a request never ends. */
const STOP_TIMEOUT_MS = 10_000;

const env = process.env;

try {
  await main();
} catch (error) {
  const expected = error instanceof Error && "code" in error;
  console.error(error instanceof Error ? (expected ? error.message : error.stack) : String(error));
  process.exit(1);
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { fresh: { type: "boolean", default: false } } });
  const demo = await startDemo({
    port: portFrom("PORT", DEFAULT_PORT),
    emulatorPort: portFrom("EMULATOR_PORT", DEFAULT_EMULATOR_PORT),
    folder: FOLDER,
    databaseUrl: env["DATABASE_URL"],
    environment: env["NODE_ENV"],
    logLevel: env["LOG_LEVEL"],
    fresh: values.fresh,
  });
  console.log(`Demo on ${demo.url} · Stripe emulator on ${demo.emulatorUrl} · no account, no real money`);
  console.log(`Open ${demo.url} and pay with 4242 4242 4242 4242. State is kept in ${FOLDER}; Ctrl+C stops.`);
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await demo.stop();
  process.exit(0);
}

function portFrom(name: string, fallback: number): number {
  const value = env[name]?.trim();
  if (!value) return fallback;
  const port = Number(value);
  if (Number.isInteger(port) && port >= 0 && port <= MAX_PORT) return port;
  // The value is not shown, because it may be a secret that was pasted into the wrong variable.
  throw Object.assign(new Error(`${name} must be a whole number from 0 to ${MAX_PORT}`), { code: "usage" });
}
