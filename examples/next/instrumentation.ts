/** Starts the service's worker, which processes Stripe's events. Next calls `register` once when its server starts. */
export async function register(): Promise<void> {
  // The import is dynamic, so that the bundle for the edge runtime does not contain the service.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { getTollkeeper } = await import("./tollkeeper");
    await getTollkeeper().start();
  }
}
