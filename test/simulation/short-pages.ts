/** Limits the pages of Stripe's lists to the length that a schedule sets, and hides events that Stripe never reported. */

export interface ShortPagesOptions {
  fetch(request: Request): Promise<Response>;
  pageSize: number;
  /** Returns the ids of the events that Stripe's list hides. */
  unreported(): ReadonlySet<string>;
}

export function shortPages({
  fetch,
  pageSize,
  unreported,
}: ShortPagesOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url);
    if (request.method !== "GET" || !url.searchParams.has("limit")) return fetch(request);
    url.searchParams.set("limit", String(pageSize));
    if (url.pathname !== "/v1/events") return fetch(new Request(url, request));
    for (;;) {
      const response = await fetch(new Request(url, request));
      const list = await readEvents(response);
      const last = list?.data.at(-1);
      if (!list || !last) return response;
      const reported = list.data.filter(({ id }) => !unreported().has(id));
      if (reported.length > 0 || !list.has_more) return Response.json({ ...list, data: reported });
      // If all events of one page of Stripe's list are hidden, the simulation reads the next page of the list. Stripe never
      // returns an empty page of a list before the last page of the list.
      url.searchParams.set("starting_after", last.id);
    }
  };
}

/** Returns null if Stripe's response is a failure or its body is incomplete. */
async function readEvents(response: Response): Promise<{ data: { id: string }[]; has_more: boolean } | null> {
  if (response.status !== 200) return null;
  try {
    return (await response.clone().json()) as { data: { id: string }[]; has_more: boolean };
  } catch {
    return null;
  }
}
