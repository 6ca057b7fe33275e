/** Reads the checkout session's id from the address of the return page, and removes the id from the address. */
import type { VerifiedCheckout } from "../wire.ts";
import { TollkeeperClientError } from "./errors.ts";

const PARAMETER = "session_id";

/** Creates the method `handleReturn` of the browser client. Concurrent calls for one checkout session share one request. */
export function createReturnHandler(
  verify: (sessionId: string) => Promise<VerifiedCheckout>,
): () => Promise<VerifiedCheckout | null> {
  let returning: { id: string; verified: Promise<VerifiedCheckout> } | null = null;
  return async () => {
    if (typeof window === "undefined") return null;
    const id = returnedSessionId(location);
    if (id === null) return null;
    // A framework may render the page twice, so both renders share one request.
    if (returning?.id !== id) returning = { id, verified: verify(id) };
    try {
      const verified = await returning.verified;
      cleanAddress(location, history);
      return verified;
    } catch (error) {
      returning = null;
      // After a temporary failure, the checkout session's id stays in the page's address, so that a reload tries again.
      if (error instanceof TollkeeperClientError && (error.status === 400 || error.status === 404))
        cleanAddress(location, history);
      throw error;
    }
  };
}

/** Returns the checkout session's id from the address; null if the address has none. */
function returnedSessionId(location: Pick<Location, "search">): string | null {
  const id = new URLSearchParams(location.search).get(PARAMETER);
  return id?.startsWith("cs_") ? id : null;
}

/**
 * Removes the checkout session's id from the address bar, so that a reload or a shared link does not verify the session again.
 */
function cleanAddress(location: Pick<Location, "href">, history: Pick<History, "state" | "replaceState">): void {
  const url = new URL(location.href);
  url.searchParams.delete(PARAMETER);
  history.replaceState(history.state, "", url);
}
