/** Loads the options of a command from the environment and the config file. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { optionsFromEnvironment, type Environment } from "../environment.ts";
import { ConfigError } from "../errors.ts";
import type { TollkeeperOptions } from "../options.ts";

const CONFIG_FILES = ["tollkeeper.config.ts", "tollkeeper.config.mjs", "tollkeeper.config.js"];
const MAX_PORT = 65_535;

/** The option with which each command names the config file, and its description. */
export const CONFIG_OPTION = [
  "--config <file>",
  "file with plans, hooks and options (default: tollkeeper.config.ts, .mjs or .js)",
] as const;

/**
 * Returns the options from the environment variables and from the config file. If the environment and the config file set the
 * same option, the config file wins. Throws `ConfigError` if there is no config file.
 */
export async function loadOptions(env: Environment, configFile: string | undefined): Promise<TollkeeperOptions> {
  const file = configFile ?? CONFIG_FILES.find((name) => existsSync(name));
  if (file === undefined)
    throw new ConfigError([
      `${CONFIG_FILES[0]} is missing: create it with export default { plans: definePlans([...]) }`,
    ]);
  const { plans, ...options } = await importOptions(file);
  if (!plans) throw new ConfigError([`${file} has no plans: add export default { plans: definePlans([...]) }`]);
  return { ...optionsFromEnvironment(env), ...options, plans };
}

/**
 * Returns the options for a command that needs no plans. Such a command also runs without a config file, but a config file may
 * set its options. Throws `ConfigError` if `configFile` is given and does not exist.
 */
export async function loadOptionsWithoutPlans(
  env: Environment,
  configFile: string | undefined,
): Promise<Partial<TollkeeperOptions>> {
  const file = configFile ?? CONFIG_FILES.find((name) => existsSync(name));
  return { ...optionsFromEnvironment(env), ...(file !== undefined && (await importOptions(file))) };
}

async function importOptions(file: string): Promise<Partial<TollkeeperOptions>> {
  if (!existsSync(file))
    throw new ConfigError([`${file} is missing: create it with export default { plans: definePlans([...]) }`]);
  const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: Partial<TollkeeperOptions> };
  return module.default ?? {};
}

/** Returns the port that an environment variable sets. Throws `ConfigError` if the variable's value is not a port number. */
export function portFrom(name: string, value: string | undefined, fallback: number): number {
  return wholeNumberFrom(name, value, MAX_PORT) ?? fallback;
}

/**
 * Returns an environment variable's value as a number; undefined if the value is absent or blank. Throws `ConfigError` if the
 * value is not a whole number from 0 to `max`.
 */
export function wholeNumberFrom(name: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw new ConfigError([`${name} "${value}" must be a whole number from 0 to ${max}`]);
}
