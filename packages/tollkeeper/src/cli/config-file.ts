/**
 * Imports the config file. Errors name the file and the line, but never show the text of the line, because it may contain a
 * secret.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { relative, resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { maskSecrets } from "../domain/log-text.ts";
import { ConfigError } from "../errors.ts";
import type { TollkeeperOptions } from "../options.ts";

const CONFIG_FILES = ["tollkeeper.config.ts", "tollkeeper.config.mjs", "tollkeeper.config.js"];
/** Maximum time in milliseconds in which a second Node process finds the position of a syntax error. */
const POSITION_TIMEOUT_MS = 10_000;

/** Returns the path of the given config file, or of the one in the working folder; undefined if there is none. */
export function findConfigFile(given: string | undefined): string | undefined {
  return given ?? CONFIG_FILES.find((name) => existsSync(name));
}

/** Throws `ConfigError` if the file is missing, can't be imported, or has no object as its default export. */
export async function importConfigFile(file = CONFIG_FILES[0] ?? ""): Promise<Partial<TollkeeperOptions>> {
  if (!existsSync(file))
    throw new ConfigError([`${file} is missing: create it with export default { plans: definePlans([...]) }`]);
  const url = pathToFileURL(resolve(file)).href;
  const module = (await import(url).catch((error: unknown) => {
    throw problemOfFile(file, url, error);
  })) as { default?: Partial<TollkeeperOptions> | null };
  if (typeof module.default !== "object" || module.default === null)
    throw new ConfigError([`${file} exports no options: add export default { plans: definePlans([...]) }`]);
  return module.default;
}

function problemOfFile(file: string, url: string, error: unknown): unknown {
  if (!(error instanceof Error)) return new ConfigError([`${file} throws a value that is no Error: throw an Error`]);
  // The file may throw the ConfigError of another copy of this package.
  if ("code" in error && error.code === "invalid_config") return error;
  const at = error instanceof SyntaxError ? positionOfSyntaxError(url) : positionIn(error.stack ?? "");
  return new ConfigError([`${at ?? file} can't be imported: ${describe(error)}`]);
}

function describe(error: Error): string {
  if (error.message === "Cannot use import statement outside a module")
    return 'the file is no ES module: set "type": "module" in package.json, or rename the file to .mjs';
  if (!(error instanceof SyntaxError) || !/^(Unexpected|Expected|Invalid|Unterminated)/.test(error.message))
    return maskSecrets(error.message);
  // The parser quotes the text of the file, so only quoted punctuation is shown.
  const withoutText = error.message.replaceAll(QUOTED, (quoted) => (/\w/.test(quoted) ? "…" : quoted));
  return `syntax error: ${withoutText}`;
}

const QUOTED = /'[^']*'|"[^"]*"|`[^`]*`|\([^)]*\)/g;

/**
 * Returns the position of a syntax error, as "file:line". Node shows this position only if it ends because of the error, so
 * another process imports the file. A file with a syntax error does not run.
 */
function positionOfSyntaxError(url: string): string | null {
  const script = `await import(${JSON.stringify(url)})`;
  const { stderr } = spawnSync(process.execPath, ["--input-type=module", "--eval", script], {
    encoding: "utf8",
    timeout: POSITION_TIMEOUT_MS,
  });
  const [, path, line] = /^(file:\/\/\S.*|\/.*|[A-Za-z]:\\.*):(\d+)$/m.exec(stderr) ?? [];
  return path === undefined ? null : `${shorten(path)}:${line}`;
}

/** Returns the position of the first call in the stack that is in a file, as "file:line". */
function positionIn(stack: string): string | null {
  const [, path, line] = /\(?(file:\/\/[^\s)]*?):(\d+):\d+\)?$/m.exec(stack) ?? [];
  return path === undefined ? null : `${shorten(path)}:${line}`;
}

function shorten(path: string): string {
  const absolute = path.startsWith("file:") ? fileURLToPath(path) : path;
  const short = relative("", absolute);
  return short.startsWith("..") ? absolute : short;
}
