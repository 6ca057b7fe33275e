/** The newest API requests, for people to look at. No part of the state: it decides nothing. */
export interface RequestNote {
  /** Virtual time, epoch seconds. */
  at: number;
  method: string;
  /** Without its query, which may hold secrets. */
  path: string;
  /** Null where the connection was broken. */
  status: number | null;
  requestId: string | null;
  idempotencyKey: string | null;
  replayed: boolean;
}

const KEPT = 200;

export function noteRequest(requests: RequestNote[], note: RequestNote): void {
  requests.push(note);
  if (requests.length > KEPT) requests.shift();
}
