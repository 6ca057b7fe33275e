/** Plays fixtures of the Stripe CLI in a test. */
import { readFileSync } from "node:fs";
import { type Body, parseScenario, type Scenario, type ScenarioRequest, toRequest } from "../verify/scenario.ts";

/** A fixture in the format of the Stripe CLI. @see https://docs.stripe.com/cli/fixtures */
export interface Fixture<Name extends string = string> {
  fixtures: readonly FixtureRequest<Name>[];
}

export interface FixtureRequest<Name extends string = string> {
  name: Name;
  method: string;
  path: string;
  /** The parameters. The text `${name:id}` stands for the field `id` of an earlier response. */
  params?: Readonly<Record<string, unknown>> | undefined;
  /** The type of the error that the request must return, such as "card_error". Default: the request must succeed. */
  expected_error_type?: string | undefined;
  idempotency_key?: string | undefined;
  headers?: Readonly<Record<string, string>> | undefined;
}

export interface LoadOptions {
  /** The secret API key of the account that sends the requests. Default "sk_test_123". */
  key?: string | undefined;
}

/** The body of the response to one request of a fixture. */
export type LoadedBody = Body;

const DEFAULT_KEY = "sk_test_123";

/** Sends the requests of a fixture in order. Returns the bodies of the responses by name. */
export async function loadFixture(
  fetch: (request: Request) => Promise<Response>,
  baseUrl: string,
  fixture: string | Fixture,
  { key = DEFAULT_KEY }: LoadOptions,
): Promise<Record<string, Body>> {
  const bodies = new Map<string, Body>();
  for (const request of readFixture(fixture).fixtures) {
    const response = await fetch(toRequest({ baseUrl, key }, request, bodies));
    const body = (await response.json()) as Body;
    checkOutcome(request, response.status, body);
    bodies.set(request.name, body);
  }
  return Object.fromEntries(bodies);
}

function readFixture(fixture: string | Fixture): Scenario {
  return parseScenario(typeof fixture === "string" ? readFileSync(fixture, "utf8") : JSON.stringify(fixture));
}

/** Throws an error that names the request if the request failed, or succeeded although the fixture expects an error. */
function checkOutcome(request: ScenarioRequest, status: number, { error }: Body): void {
  const expected = request.expected_error_type ?? "";
  if ((error?.type ?? "") === expected) return;
  const named = `The request "${request.name}" of the fixture (${request.method.toUpperCase()} ${request.path})`;
  const wanted = expected === "" ? "" : ` The fixture expects the error type ${expected}.`;
  const outcome = error ? `failed with ${status} ${error.type}: ${error.message}` : `returned ${status}.`;
  throw new Error(`${named} ${outcome}${wanted}`);
}
