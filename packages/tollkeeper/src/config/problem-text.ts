/** Writes the texts of configuration problems. The texts of configuration problems never contain a secret. */
import { VARIABLES } from "../environment.ts";
import type { TollkeeperOptions } from "../options.ts";

export type OptionName = keyof TollkeeperOptions;

const MAX_SHOWN = 100;
const SECRET_VALUE = /\b(sk_test|sk_live|rk_test|rk_live|whsec)_\S*/g;
const URL_CREDENTIALS = /\/\/\S*@/g;

/**
 * Returns the name of the environment variable that sets an option. If the option has no environment variable, returns the
 * option's name.
 */
export function nameOf(option: OptionName): string {
  return option in VARIABLES ? VARIABLES[option as keyof typeof VARIABLES] : option;
}

/** Returns the text that shows an option's value: shortened, and masked if it looks like a secret. */
export function show(value: unknown): string {
  if (typeof value === "function" || (typeof value === "object" && value !== null)) return `(${typeof value})`;
  if (typeof value !== "string") return String(value);
  return `"${mask(value).slice(0, MAX_SHOWN)}"`;
}

export function mask(text: string): string {
  return text.replaceAll(SECRET_VALUE, "$1_…").replaceAll(URL_CREDENTIALS, "//…@");
}
