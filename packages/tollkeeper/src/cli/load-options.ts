/** Loads the options of a command from the environment and the config file. */
import { optionsFromEnvironment, type Environment } from "../environment.ts";
import { ConfigError } from "../errors.ts";
import type { TollkeeperOptions } from "../options.ts";
import { PORT_RANGE, type WholeNumberRange } from "../config/defaults.ts";
import { show } from "../config/problem-text.ts";
import { findMisspeltVariables } from "../config/misspelt-variables.ts";
import { findConfigFile, importConfigFile } from "./config-file.ts";

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
  const options = mergeOptions(env, await importConfigFile(findConfigFile(configFile)));
  return { ...options, plans: options.plans ?? [] };
}

/**
 * Returns the options for a command that needs no plans. Such a command also runs without a config file, but a config file may
 * set its options. Throws `ConfigError` if `configFile` is given and does not exist.
 */
export async function loadOptionsWithoutPlans(
  env: Environment,
  configFile: string | undefined,
): Promise<Partial<TollkeeperOptions>> {
  const file = findConfigFile(configFile);
  return mergeOptions(env, file === undefined ? {} : await importConfigFile(file));
}

function mergeOptions(
  env: Environment,
  fromFile: Partial<TollkeeperOptions>,
): Omit<TollkeeperOptions, "plans"> & Partial<TollkeeperOptions> {
  const options = { ...optionsFromEnvironment(env), ...fromFile };
  for (const warning of findMisspeltVariables(env, options)) console.error(`Warning: ${warning}`);
  return options;
}

/** Returns the port that an environment variable sets. Throws `ConfigError` if the variable's value is not a port number. */
export function portFrom(name: string, value: string | undefined, fallback: number): number {
  return wholeNumberFrom(name, value, PORT_RANGE) ?? fallback;
}

/** Returns the host that an environment variable sets. Throws `ConfigError` if it is no host name and no IP address. */
export function hostFrom(name: string, value: string | undefined, fallback: string): string {
  const host = value?.trim() || fallback;
  if (/^[A-Za-z0-9.-]+$/.test(host) || /^[0-9a-fA-F:.%]+$/.test(host)) return host;
  throw new ConfigError([`${name} ${show(host)} must be a host name or an IP address, such as 0.0.0.0`]);
}

/**
 * Returns an environment variable's value as a number; undefined if the value is absent or blank. Throws `ConfigError` if the
 * value is not a whole number in the range.
 */
export function wholeNumberFrom(
  name: string,
  value: string | undefined,
  { min, max }: WholeNumberRange,
): number | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= min && number <= max) return number;
  throw new ConfigError([`${name} ${show(value)} must be a whole number from ${min} to ${max}`]);
}
