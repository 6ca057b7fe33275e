/** Sends requests to the emulator's API, as the dashboard or a script would. */
import { TEST_SECRET_KEY, TEST_STRIPE_URL } from "./constants.ts";
import type { Network } from "./emulator.ts";
import { readResponse, type TestResponse } from "./read-response.ts";

export type StripeClient = (
  method: "GET" | "POST" | "DELETE",
  path: string,
  params?: Readonly<Record<string, string>>,
) => Promise<TestResponse>;

export interface StripeClientOptions {
  fetch: Network;
  baseUrl?: string;
  secretKey?: string;
}

/**
 * Returns a function that does not throw for an error status of Stripe. The returned function sends `params` as the query of a
 * GET request and as the body of all other requests.
 */
export function createStripeClient(options: StripeClientOptions): StripeClient {
  const { fetch, baseUrl = TEST_STRIPE_URL, secretKey = TEST_SECRET_KEY } = options;
  return async (method, path, params = {}) => {
    const form = new URLSearchParams(params).toString();
    const query = method === "GET" && form !== "" ? `?${form}` : "";
    const response = await fetch(
      new Request(`${baseUrl}${path}${query}`, {
        method,
        headers: { authorization: `Bearer ${secretKey}`, "content-type": "application/x-www-form-urlencoded" },
        ...(method !== "GET" && form !== "" && { body: form }),
      }),
    );
    return readResponse(response);
  };
}

/** A row of one of Stripe's lists. */
export type StripeRow = { id: string } & Record<string, unknown>;

const PAGE_SIZE = "100";

/** Returns all rows of a list, newest first. Throws if a page's status is not 200. */
export async function listAll<Row extends { id: string } = StripeRow>(
  stripe: StripeClient,
  path: string,
  params: Readonly<Record<string, string>> = {},
): Promise<Row[]> {
  const rows: Row[] = [];
  for (let after: string | undefined; ; after = rows.at(-1)?.id) {
    const cursor = after !== undefined && { starting_after: after };
    const { status, body } = await stripe("GET", path, { ...params, ...cursor, limit: PAGE_SIZE });
    if (status !== 200) throw new Error(`GET ${path} returned ${status}: ${JSON.stringify(body)}`);
    rows.push(...(body["data"] as Row[]));
    if (body["has_more"] !== true) return rows;
  }
}
