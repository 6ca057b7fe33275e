/**
 * Blocks all requests to Stripe until the Stripe account is confirmed. A request with another account's key would return 404
 * for each mirrored object, and the service would take each 404 for a deletion.
 */
import { confirmAccount, type ConfirmAccountContext } from "../actions/confirm-account.ts";
import { describeError } from "../domain/log-text.ts";
import { decideRetry, type RetryPolicy } from "../domain/retry.ts";
import { ConfigError, UnavailableError } from "../errors.ts";
import { raiseAlarm, type Runtime } from "../runtime.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";

export interface AccountGuard {
  /**
   * Confirms the account if it is not confirmed. Concurrent calls share one check. Throws `ConfigError` if the key belongs to
   * another account, and `UnavailableError` if the account can't be confirmed now.
   */
  confirm(): Promise<void>;
  /**
   * Confirms the account at the start of the service. If Stripe is unavailable or slow, resolves, and retries in the background
   * until the signal aborts. Throws `ConfigError` if the key belongs to another account.
   */
  start(stop: AbortSignal, onConfirmed: () => void): Promise<void>;
  isConfirmed(): boolean;
  /** Throws `UnavailableError` if the last check has found that the key belongs to another account. */
  throwIfRefused(): void;
  /** Returns a gateway whose methods first confirm the account. */
  protect(gateway: StripeGateway): StripeGateway;
}

/** Maximum time in milliseconds for which the start of the service waits for the confirmation of the account. */
const START_WAIT_MS = 5_000;
const RETRY_POLICY: RetryPolicy = { maxAttempts: Infinity, firstDelayMs: 1_000, maxDelayMs: 60_000 };

export interface AccountGuardOptions extends ConfirmAccountContext {
  runtime: Runtime;
  /** Id of the account to which the operator has changed on purpose; null if it has not changed. */
  changedTo: string | null;
}

export function createAccountGuard(options: AccountGuardOptions): AccountGuard {
  const { runtime } = options;
  const check = createCheck(options);
  return {
    confirm: check.confirm,
    isConfirmed: check.isConfirmed,
    async start(stop, onConfirmed) {
      const over = new AbortController();
      const checked = check.confirm().catch((error: unknown) => {
        if (error instanceof ConfigError) throw error;
        logUnconfirmed(runtime, error);
      });
      // If the check ends after the timeout, the retries report its outcome.
      checked.catch(() => {});
      const timeout = runtime.sleep(START_WAIT_MS, AbortSignal.any([over.signal, stop]));
      try {
        await Promise.race([checked, timeout]);
      } finally {
        over.abort();
      }
      if (!check.isConfirmed()) void retry(runtime, check, stop).then(onConfirmed);
    },
    throwIfRefused() {
      const refusal = check.refusal();
      if (refusal !== null) throw refused(refusal);
    },
    protect: (gateway) => protect(gateway, check),
  };
}

interface Check {
  confirm(): Promise<void>;
  isConfirmed(): boolean;
  /** Returns the error of the last check if the key belongs to another account; otherwise null. */
  refusal(): ConfigError | null;
}

function createCheck(options: AccountGuardOptions): Check {
  let isConfirmed = false;
  let refusal: ConfigError | null = null;
  let checking: Promise<void> | null = null;
  const check = async (): Promise<void> => {
    try {
      await confirmAccount(options, options.changedTo);
      isConfirmed = true;
      refusal = null;
    } catch (error) {
      if (!(error instanceof ConfigError)) throw unconfirmed("The Stripe account can't be confirmed now.", error);
      if (refusal === null) raiseAlarm(options.runtime, "account_refused", { problems: error.problems });
      refusal = error;
      throw error;
    } finally {
      checking = null;
    }
  };
  return {
    async confirm() {
      if (!isConfirmed) await (checking ??= check());
    },
    isConfirmed: () => isConfirmed,
    refusal: () => refusal,
  };
}

/** Repeats the check with growing delays. Resolves when the account is confirmed; never resolves after the signal aborts. */
async function retry(runtime: Runtime, check: Check, stop: AbortSignal): Promise<void> {
  for (let attempt = 1; !check.isConfirmed(); attempt += 1) {
    const decision = decideRetry(attempt, "outage", RETRY_POLICY, runtime.random());
    await runtime.sleep(decision.kind === "retry" ? decision.delayMs : RETRY_POLICY.maxDelayMs, stop);
    if (stop.aborted) return new Promise(() => {});
    await check.confirm().catch((error: unknown) => logUnconfirmed(runtime, error));
  }
}

function protect(gateway: StripeGateway, check: Check): StripeGateway {
  const confirm = async (): Promise<void> => {
    await check.confirm().catch((error: unknown) => {
      throw error instanceof ConfigError ? refused(error) : error;
    });
  };
  const methods = Object.entries(gateway) as [string, (...args: unknown[]) => Promise<unknown>][];
  const guarded = methods.map(([name, method]) => [
    name,
    async (...args: unknown[]) => {
      if (!check.isConfirmed()) await confirm();
      return method(...args);
    },
  ]);
  return Object.fromEntries(guarded) as StripeGateway;
}

function unconfirmed(problem: string, cause: unknown): UnavailableError {
  return new UnavailableError("account_unconfirmed", `${problem} Retry later.`, { cause });
}

/** The error of requests while the key belongs to another account. Only the log names the accounts. */
function refused(cause: ConfigError): UnavailableError {
  return unconfirmed("The secret key belongs to another Stripe account than the database.", cause);
}

/** Logs a failed attempt to confirm the account. A refused account was already reported as an alarm. */
function logUnconfirmed({ log }: Runtime, error: unknown): void {
  if (error instanceof ConfigError) return;
  log.warn(
    { error: describeError(error) },
    "failed to confirm the Stripe account; retrying. Events and operations wait for it",
  );
}
