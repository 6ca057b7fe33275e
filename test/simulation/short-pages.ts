/** Stripe's API as the replicas see it: in pages of the length that a schedule has, and with no word of events that were never told. */

export interface ShortPagesOptions {
  fetch(request: Request): Promise<Response>;
  pageSize: number;
  untold(): ReadonlySet<string>;
}

export function shortPages({ fetch, pageSize, untold }: ShortPagesOptions): (request: Request) => Promise<Response> {
  return async (request) => {
    const url = new URL(request.url);
    if (request.method !== "GET" || !url.searchParams.has("limit")) return fetch(request);
    url.searchParams.set("limit", String(pageSize));
    if (url.pathname !== "/v1/events") return fetch(new Request(url, request));
    for (;;) {
      const response = await fetch(new Request(url, request));
      const list = await eventsOf(response);
      const last = list?.data.at(-1);
      if (!list || !last) return response;
      const told = list.data.filter(({ id }) => !untold().has(id));
      if (told.length > 0 || !list.has_more) return Response.json({ ...list, data: told });
      // Nothing of the page is left: the reader gets the next one, since Stripe knows no empty page with more to come.
      url.searchParams.set("starting_after", last.id);
    }
  };
}

/** Null for what is no list: a failure, or an answer that was cut. */
async function eventsOf(response: Response): Promise<{ data: { id: string }[]; has_more: boolean } | null> {
  if (response.status !== 200) return null;
  try {
    return (await response.clone().json()) as { data: { id: string }[]; has_more: boolean };
  } catch {
    return null;
  }
}
