/** Runs the command `verify`: compares the emulator with a Stripe sandbox. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { createEmulator } from "../index.ts";
import type { Difference } from "./compare.ts";
import { parseScenario, type Scenario } from "./scenario.ts";
import { type Step, verifyScenario } from "./verify.ts";

export interface VerifyCommand {
  /** Paths of scenario files. */
  files: readonly string[];
  /** The secret key of a sandbox. */
  secretKey: string | undefined;
  /** The URL of Stripe's API. Default https://api.stripe.com. */
  apiBase?: string | undefined;
  print: (line: string) => void;
}

const STRIPE_API = "https://api.stripe.com";
const TEST_KEY = /^(?:sk|rk)_test_\w+$/;
const MAX_SHOWN = 100;

/**
 * Plays each scenario file against Stripe and against a new emulator, and prints the differences. Returns the number of
 * differences. Throws an error with a code if the key is not a test key, or if a file is not a scenario.
 */
export async function runVerify({ files, secretKey, apiBase = STRIPE_API, print }: VerifyCommand): Promise<number> {
  const key = checkKey(secretKey);
  const baseUrl = checkUrl(apiBase);
  const scenarios = files.map((file) => [file, readScenario(file)] as const);
  let differences = 0;
  for (const [file, scenario] of scenarios) {
    print(`${file}: ${scenario.fixtures.length} requests to ${baseUrl} and to the emulator`);
    const steps = await verifyScenario({
      scenario,
      stripe: { baseUrl, key, fetch: (request) => fetch(request) },
      emulator: newEmulator(),
      sleep: (ms) => sleep(ms),
      onStep: (step) => printStep(step, print),
    });
    differences += steps.reduce((sum, step) => sum + step.differences.length, 0);
  }
  print(differences === 0 ? "No differences." : `${differences} differences.`);
  return differences;
}

function newEmulator() {
  const emulator = createEmulator({ clock: "running", onWarning: () => {} });
  return { baseUrl: "http://emulator.test", key: "sk_test_verify", fetch: emulator.fetch };
}

/** The scenario creates objects and payments, so it must never run with a live key. */
function checkKey(key: string | undefined): string {
  if (key === undefined || key.trim() === "")
    throw usageError("STRIPE_SECRET_KEY is not set. Set it to the secret key of a sandbox (sk_test_…).");
  if (!TEST_KEY.test(key))
    throw usageError("STRIPE_SECRET_KEY is not a test key. Use the secret key of a sandbox (sk_test_… or rk_test_…).");
  return key;
}

function checkUrl(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw usageError("--api-base must be a URL such as https://api.stripe.com");
  return url.replace(/\/$/, "");
}

function readScenario(file: string): Scenario {
  try {
    return parseScenario(readFileSync(file, "utf8"));
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw Object.assign(usageError(`Cannot use ${file}: ${reason}`), { cause });
  }
}

function printStep({ request, differences }: Step, print: VerifyCommand["print"]): void {
  print(`  ${differences.length === 0 ? "same     " : "different"} ${request}`);
  for (const difference of differences) print(`    ${textOf(difference)}`);
}

function textOf({ field, expected, actual }: Difference): string {
  return `${field}: Stripe ${show(expected)}, emulator ${show(actual)}`;
}

function show(value: unknown): string {
  const text = JSON.stringify(value) ?? "no field";
  return text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text;
}

function usageError(message: string): Error {
  return Object.assign(new Error(message), { code: "usage" });
}
