/** Finds environment variables whose names are probably misspelt. */
import { countChanges } from "../domain/nearest-name.ts";
import { VARIABLES, type Environment } from "../environment.ts";
import type { TollkeeperOptions } from "../options.ts";
import type { OptionName } from "./problem-text.ts";

/** Variables that other programs use too, so a similar name may be meant for another program. */
const SHARED: ReadonlySet<string> = new Set(["NODE_ENV", "LOG_LEVEL", "APP_URL", "DATABASE_URL"]);
/** Maximum number of wrong letters in a misspelt name. Names with more differences are probably meant for another program. */
const MAX_CHANGES = 2;

/**
 * Returns one sentence for each variable whose name is nearly the name of an option that is not set. To avoid false alarms,
 * ignores variables of options that are set or that are not used, and variables that other programs use too.
 */
export function findMisspeltVariables(env: Environment, options: Partial<TollkeeperOptions>): string[] {
  const known: ReadonlySet<string> = new Set([...Object.values(VARIABLES), "AUTH0_DOMAIN"]);
  const unset = (Object.entries(VARIABLES) as [OptionName, string][])
    .filter(([option, name]) => !SHARED.has(name) && isUnset(options, option))
    .map(([, name]) => name);
  return Object.keys(env)
    .filter((name) => !known.has(name) && env[name] !== undefined)
    .flatMap((name) => {
      const meant = unset.find((candidate) => countChanges(name.toUpperCase(), candidate) <= MAX_CHANGES);
      return meant === undefined ? [] : [`the variable ${name} has no effect: did you mean ${meant}?`];
    });
}

function isUnset(options: Partial<TollkeeperOptions>, option: OptionName): boolean {
  if (option.startsWith("auth") && options.authenticate !== undefined) return false;
  const value: unknown = options[option];
  return value === undefined || value === "" || (Array.isArray(value) && value.length === 0);
}
