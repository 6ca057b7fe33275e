/** Sends requests to the service's routes, as a user's browser would. */
import { TEST_APP_URL } from "./constants.ts";
import type { Network } from "./emulator.ts";
import { readResponse, type TestResponse } from "./read-response.ts";

/** Sends a request to a route of the service as a user. If the user is `null`, the request has no token. */
export type ServiceClient = (
  user: string | null,
  method: "GET" | "POST",
  path: string,
  body?: unknown,
) => Promise<TestResponse>;

export interface ServiceClientOptions {
  fetch: Network;
  /**
   * The base URL to which the paths of requests are appended. The default base URL is the one of the test app's default routes,
   * with a slash at the end.
   */
  baseUrl?: string;
  /** Returns a user's bearer token. The default bearer token is the user's id, as `authenticateTestUser` expects it. */
  tokenOf?: (user: string) => string | Promise<string>;
}

export function createServiceClient(options: ServiceClientOptions): ServiceClient {
  const { fetch, baseUrl = `${TEST_APP_URL}/stripe/`, tokenOf = (user) => user } = options;
  return async (user, method, path, body = {}) => {
    const headers = new Headers();
    if (user !== null) headers.set("authorization", `Bearer ${await tokenOf(user)}`);
    if (method === "POST") headers.set("content-type", "application/json");
    const request = new Request(`${baseUrl}${path}`, {
      method,
      headers,
      ...(method === "POST" && { body: JSON.stringify(body) }),
    });
    return readResponse(await fetch(request));
  };
}
