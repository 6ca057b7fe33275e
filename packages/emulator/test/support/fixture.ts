/** Plays fixtures of the Stripe CLI. */
import { type Body, type Scenario, toRequest } from "../../src/verify/scenario.ts";

/**
 * Contains the response to one request of a fixture. Also contains the error type that the fixture expects, or null if the
 * fixture expects success.
 */
export interface Played {
  name: string;
  status: number;
  body: Body;
  expectedErrorType: string | null;
}

export async function play(
  fetch: (request: Request) => Promise<Response>,
  baseUrl: string,
  key: string,
  fixture: Scenario,
): Promise<Played[]> {
  const responses = new Map<string, Body>();
  const played: Played[] = [];
  for (const request of fixture.fixtures) {
    const response = await fetch(toRequest({ baseUrl, key }, request, responses));
    const body = (await response.json()) as Body;
    responses.set(request.name, body);
    played.push({
      name: request.name,
      status: response.status,
      body,
      expectedErrorType: request.expected_error_type ?? null,
    });
  }
  return played;
}
