/** The log of recent API requests, which the viewer shows. The request log is not part of the emulator's state. */
export interface RequestRecord {
  /** The virtual time of the request in epoch seconds. */
  at: number;
  method: string;
  /** The URL path without the query, because a query may contain secrets. */
  path: string;
  /** The status of the response; null if a fault broke the connection. */
  status: number | null;
  requestId: string | null;
  idempotencyKey: string | null;
  replayed: boolean;
}

const MAX_RECORDS = 200;

export function recordRequest(requests: RequestRecord[], note: RequestRecord): void {
  requests.push(note);
  if (requests.length > MAX_RECORDS) requests.shift();
}
