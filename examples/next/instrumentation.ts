/** Next calls this once when its server starts: from then on, Stripe's events are worked off. */
export async function register(): Promise<void> {
  // Imported here, so that the bundle for the edge runtime does not hold it.
  if (process.env.NEXT_RUNTIME === "nodejs") {
    const { billing } = await import("./billing");
    await billing().start();
  }
}
