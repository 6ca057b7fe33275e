/** What commands read from their surroundings. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { optionsFromEnvironment, type TollkeeperOptions } from "../config.ts";
import { ConfigError } from "../errors.ts";

export type Env = Readonly<Record<string, string | undefined>>;

const CONFIG_FILES = ["tollkeeper.config.ts", "tollkeeper.config.mjs", "tollkeeper.config.js"];
const MAX_PORT = 65_535;

/** The environment's options with those of the config file over them. Throws `ConfigError`. */
export async function loadOptions(env: Env, configFile: string | undefined): Promise<TollkeeperOptions> {
  const file = configFile ?? CONFIG_FILES.find((name) => existsSync(name));
  if (file === undefined || !existsSync(file))
    throw new ConfigError([
      `${file ?? CONFIG_FILES[0]} is missing: write one whose default export is { plans: definePlans([...]) }`,
    ]);
  const module = (await import(pathToFileURL(resolve(file)).href)) as { default?: Partial<TollkeeperOptions> };
  if (!module.default?.plans)
    throw new ConfigError([`${file} has no default export with plans: export default { plans: definePlans([...]) }`]);
  return { ...optionsFromEnvironment(env), ...module.default, plans: module.default.plans };
}

/** Throws `ConfigError` for what is no port. */
export function portFrom(name: string, value: string | undefined, fallback: number): number {
  return wholeNumberFrom(name, value, MAX_PORT) ?? fallback;
}

/** Undefined where the value is absent or blank. Throws `ConfigError` for what is no whole number from 0 to `max`. */
export function wholeNumberFrom(name: string, value: string | undefined, max: number): number | undefined {
  if (value === undefined || value.trim() === "") return undefined;
  const number = Number(value);
  if (Number.isInteger(number) && number >= 0 && number <= max) return number;
  throw new ConfigError([`${name} "${value}" must be a whole number from 0 to ${max}`]);
}
