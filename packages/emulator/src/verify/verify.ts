/** Plays a scenario against Stripe and against the emulator, and compares the responses. */
import { API_VERSION } from "../core/state.ts";
import { compareResponses, type Difference, type IdPairs } from "./compare.ts";
import { type Body, type Scenario, type ScenarioRequest, toRequest } from "./scenario.ts";

/** A Stripe API: Stripe itself or an emulator. */
export interface Api {
  baseUrl: string;
  key: string;
  fetch: (request: Request) => Promise<Response>;
}

export interface VerifyOptions {
  scenario: Scenario;
  stripe: Api;
  emulator: Api;
  /** Waits between two requests for the status of a test clock. */
  sleep: (ms: number) => Promise<void>;
  /** A callback function: it is called after each request of the scenario. */
  onStep: (step: Step) => void;
}

export interface Step {
  /** The request's name, method and path. */
  request: string;
  differences: Difference[];
}

/** The longest time for one response. */
const REQUEST_TIMEOUT_MS = 60_000;
const POLL_MS = 2_000;
/** The number of polls after which a test clock counts as stuck: 10 minutes. */
const MAX_POLLS = 300;

/**
 * Sends each request of the scenario to both APIs, and compares the responses. IDs, times and random values may differ. Waits
 * after `advance` of a test clock until the clock is ready. Rejects if an API is unreachable.
 */
export async function verifyScenario(options: VerifyOptions): Promise<Step[]> {
  const sides = [createSide(options.stripe, options.sleep), createSide(options.emulator, options.sleep)] as const;
  const pairs: IdPairs = new Map();
  const steps: Step[] = [];
  for (const request of options.scenario.fixtures) {
    const [expected, actual] = [await sides[0](request), await sides[1](request)];
    const step = {
      request: `${request.name}: ${request.method.toUpperCase()} ${request.path}`,
      differences: compareResponses(expected, actual, pairs),
    };
    steps.push(step);
    options.onStep(step);
  }
  return steps;
}

interface Received {
  status: number;
  body: Body;
}

/** Returns a function that sends the requests of a scenario to one API, in order. */
function createSide(api: Api, sleep: VerifyOptions["sleep"]): (request: ScenarioRequest) => Promise<Received> {
  const responses = new Map<string, Body>();
  return async (request) => {
    const headers = { "stripe-version": API_VERSION, ...request.headers };
    const received = await send(api, toRequest(api, { ...request, headers }, responses));
    const settled = isAdvancing(received) ? await waitForClock(api, received, sleep) : received;
    responses.set(request.name, settled.body);
    return settled;
  };
}

async function send(api: Api, request: Request): Promise<Received> {
  try {
    const response = await api.fetch(new Request(request, { signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS) }));
    return { status: response.status, body: (await response.json()) as Body };
  } catch (cause) {
    const reason = cause instanceof Error ? causeText(cause) : String(cause);
    throw Object.assign(new Error(`${api.baseUrl} sent no API response (${reason}). Check the URL and the network.`), {
      code: "unreachable",
      cause,
    });
  }
}

/** Returns the message of the innermost error. The error of `fetch` itself only says that it failed. */
function causeText(error: Error): string {
  return error.cause instanceof Error ? causeText(error.cause) : error.message;
}

function isAdvancing({ body }: Received): boolean {
  return body["object"] === "test_helpers.test_clock" && body["status"] === "advancing";
}

/** @see https://docs.stripe.com/billing/testing/test-clocks/api-advanced-usage */
async function waitForClock(api: Api, first: Received, sleep: VerifyOptions["sleep"]): Promise<Received> {
  const request = { name: "clock", method: "get", path: `/v1/test_helpers/test_clocks/${String(first.body["id"])}` };
  let received = first;
  for (let polls = 0; polls < MAX_POLLS && isAdvancing(received); polls += 1) {
    await sleep(POLL_MS);
    received = await send(api, toRequest(api, request, new Map()));
  }
  return received;
}
