/** The page that Stripe sends the user back to. */

const PARAMETER = "session_id";

/** The checkout session named in the address; null on any other visit. */
export function returnedSessionId(location: Pick<Location, "search">): string | null {
  const id = new URLSearchParams(location.search).get(PARAMETER);
  return id?.startsWith("cs_") ? id : null;
}

/** Takes the session out of the address bar, so that a reload or a shared link does not bring it back. */
export function cleanAddress(location: Pick<Location, "href">, history: Pick<History, "state" | "replaceState">): void {
  const url = new URL(location.href);
  url.searchParams.delete(PARAMETER);
  history.replaceState(history.state, "", url);
}
