/** Keeps a server command running until SIGINT or SIGTERM, then stops it. */

/**
 * Maximum time in milliseconds until a stopped server has ended. If stopping the server takes longer than the maximum time, the
 * process exits with code 1.
 */
const STOP_TIMEOUT_MS = 10_000;

export async function untilStopped(stop: () => Promise<void>): Promise<never> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await stop();
  process.exit(0);
}
