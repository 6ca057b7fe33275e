/** Writes the texts of configuration problems. The texts of configuration problems never contain a secret. */
import { maskSecrets } from "../domain/log-text.ts";
import { nearestName } from "../domain/nearest-name.ts";
import { VARIABLES } from "../environment.ts";
import type { TollkeeperOptions } from "../options.ts";

export type OptionName = keyof TollkeeperOptions;

/**
 * Returns the name of the environment variable that sets an option. If the option has no environment variable, returns the
 * option's name.
 */
export function nameOf(option: OptionName): string {
  return option in VARIABLES ? VARIABLES[option as keyof typeof VARIABLES] : option;
}

/**
 * Returns the text that shows an option's value. Any text may be a secret that was pasted into the wrong variable. So a text is
 * shown only if it is a number, a short word, a host name, a short path or the origin of a URL.
 */
export function show(value: unknown): string {
  if (typeof value === "function" || (typeof value === "object" && value !== null)) return `(${typeof value})`;
  if (typeof value !== "string") return String(value);
  if (SAFE_TEXTS.some((pattern) => pattern.test(value))) return `"${value}"`;
  return originOf(value) ?? `(a text of ${value.length} characters, which is not shown)`;
}

/** Numbers, short words, host names and short paths. */
const SAFE_TEXTS = [
  /^-?\d{1,6}(\.\d{1,3})?$/,
  /^[A-Za-z]{0,7}$/,
  /^(?=.{1,60}$)[a-z0-9-]{1,20}(\.[a-z0-9-]{1,20})+(:\d{1,5})?$/,
  /^\/?[a-z-]{1,10}(\/[a-z-]{0,10})*$/,
];

/** Returns the origin of an http URL, with an ellipsis for the parts that are not shown; null for another text. */
function originOf(text: string): string | null {
  if (!/^https?:\/\//.test(text) || !URL.canParse(text)) return null;
  const { protocol, username, password, host, pathname, search, hash } = new URL(text);
  if (!SAFE_TEXTS.some((pattern) => pattern.test(host))) return null;
  const credentials = username === "" && password === "" ? "" : "…@";
  const rest = pathname === "/" && search === "" && hash === "" ? "" : "/…";
  return `"${protocol}//${credentials}${host}${rest}"`;
}

const MAX_NAME_LENGTH = 40;

/** Returns a text about an unknown name, with the known name that is nearest to it. */
export function describeUnknownOption(path: readonly string[], known: Iterable<string>): string {
  const name = path.at(-1) ?? "";
  const isShown = name.length <= MAX_NAME_LENGTH && /^[A-Za-z_$][\w$]*$/.test(name) && maskSecrets(name) === name;
  const shown = isShown ? `option "${path.join(".")}"` : `an option with a name of ${name.length} characters`;
  const nearest = nearestName(name, known);
  if (nearest === null) return `${shown} is unknown: correct its name or remove it`;
  return `${shown} is unknown: did you mean "${[...path.slice(0, -1), nearest].join(".")}"?`;
}
