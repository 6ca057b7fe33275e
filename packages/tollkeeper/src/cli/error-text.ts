/** Describes errors for the person at the terminal. Descriptions contain no secret. */
import { maskSecrets } from "../domain/log-text.ts";
import { TollkeeperError, UnavailableError, type ErrorCode } from "../errors.ts";

/** Codes of the errors of PostgreSQL. */
const SQLSTATE = /^[0-9A-Z]{5}$/;
/** Code of all errors of Node's SQLite. */
const SQLITE_CODE = "ERR_SQLITE_ERROR";
/** Code of a `ConfigError`. The config file may throw the `ConfigError` of another copy of this package. */
const CONFIG_CODE: ErrorCode = "invalid_config";

/** Maximum number of causes that are searched, because an error may be its own cause. */
const MAX_CAUSES = 5;

/**
 * Returns the message of an expected error, with the cause if a server is unavailable. Returns the stack of an unexpected
 * error, because it is a bug.
 */
export function errorText(error: unknown): string {
  const text = describe(error);
  // The texts of configuration problems contain no secret, but forms of URLs that the person has to type.
  return codeOf(error) === CONFIG_CODE ? text : maskSecrets(text);
}

function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if (!isExpected(error)) return error.stack ?? error.message;
  const cause = error instanceof UnavailableError ? describeCause(error) : null;
  return cause === null ? error.message : `${error.message}\nCause: ${cause}`;
}

/** Returns true for the errors of this package, of the operating system and of a database. Every other error is a bug. */
function isExpected(error: Error): boolean {
  if (error instanceof TollkeeperError || "syscall" in error) return true;
  const code = codeOf(error);
  return typeof code === "string" && (SQLSTATE.test(code) || code === SQLITE_CODE || code === CONFIG_CODE);
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && "code" in error ? error.code : undefined;
}

/** Returns the message of the first cause that has an error code, such as ECONNREFUSED. Otherwise returns the last cause. */
function describeCause(error: Error): string | null {
  const causes: Error[] = [];
  for (let cause = causeOf(error); cause && causes.length < MAX_CAUSES; cause = causeOf(cause)) causes.push(cause);
  const found = causes.find((cause) => "code" in cause && cause.code !== undefined) ?? causes.at(-1);
  if (found === undefined) return null;
  // The error for a host with several addresses has no message of its own.
  if (found instanceof AggregateError) return found.errors.map((one: Error) => one.message).join("; ");
  return found.message;
}

/** Returns the cause of an error. The SDK of Stripe stores the cause in the field `detail`. */
function causeOf(error: Error): Error | null {
  if (error.cause instanceof Error) return error.cause;
  return "detail" in error && error.detail instanceof Error ? error.detail : null;
}
