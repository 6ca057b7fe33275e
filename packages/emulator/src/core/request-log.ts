/** The log of recent API requests, which the viewer shows. The request log is not part of the emulator's state. */
export interface RequestRecord {
  /** The serial number of the request. The viewer's URLs contain it, because a broken connection has no request ID. */
  number: number;
  /** The virtual time of the request in epoch seconds. */
  at: number;
  method: string;
  path: string;
  /** The query of the URL and the request body, as they were sent. Both may contain secrets, so the viewer masks them. */
  query: string;
  params: string;
  /** The body of the response; "" if there was none. */
  response: string;
  /** The status of the response; null if a fault broke the connection. */
  status: number | null;
  requestId: string | null;
  idempotencyKey: string | null;
  replayed: boolean;
}

const MAX_RECORDS = 200;
/** The maximum number of characters that the log keeps of a query, a request body or a response body. */
export const MAX_BODY_LENGTH = 32_768;

export function recordRequest(requests: RequestRecord[], note: Omit<RequestRecord, "number">): void {
  const number = (requests.at(-1)?.number ?? 0) + 1;
  const { query, params, response } = note;
  requests.push({ ...note, number, query: shorten(query), params: shorten(params), response: shorten(response) });
  if (requests.length > MAX_RECORDS) requests.shift();
}

function shorten(text: string): string {
  // A slice of a string keeps the whole string in memory. The conversion to bytes and back makes a copy.
  return text.length <= MAX_BODY_LENGTH ? text : Buffer.from(text.slice(0, MAX_BODY_LENGTH)).toString();
}
