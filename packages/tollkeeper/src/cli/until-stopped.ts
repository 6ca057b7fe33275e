/** Keeps a server command running until it is told to stop, and then lets it finish. */

/** Past this a stop no longer waits for what is under way. */
const STOP_TIMEOUT_MS = 10_000;

export async function untilStopped(stop: () => Promise<void>): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once("SIGINT", () => resolve());
    process.once("SIGTERM", () => resolve());
  });
  setTimeout(() => process.exit(1), STOP_TIMEOUT_MS).unref();
  await stop();
  process.exit(0);
}
