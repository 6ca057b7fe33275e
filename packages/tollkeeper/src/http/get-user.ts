/** Finds the user who sent a request to one of the app's own routes, with the sign-in of the service's routes. */
import type { IncomingHttpHeaders } from "node:http";
import type { User } from "../domain/user.ts";
import { UnauthenticatedError } from "../errors.ts";
import { authenticateUser } from "./access.ts";
import type { HttpContext } from "./context.ts";

/** A request of the app's server: a `Request`, a request of node:http, Express or Fastify, or only its headers, as in Next. */
export type SignedRequest =
  | Request
  | { headers: IncomingHttpHeaders | Headers; url?: string | undefined; method?: string | undefined };

/** The host of the URL of a request of node:http. Sign-in functions read headers, and may read the path. */
const HOST = "http://localhost";

/** Returns the user; null if the request has no credentials or invalid ones. */
export async function getUser(
  context: Pick<HttpContext, "authenticate">,
  request: SignedRequest,
): Promise<User | null> {
  try {
    return await authenticateUser(context, request instanceof Request ? request : toRequest(request));
  } catch (error) {
    if (error instanceof UnauthenticatedError) return null;
    throw error;
  }
}

/** Returns a request without a body, because the app's server reads the body. */
function toRequest({ headers: given, url = "/", method = "GET" }: Exclude<SignedRequest, Request>): Request {
  const headers = Symbol.iterator in given ? new Headers(given) : toHeaders(given);
  const path = URL.canParse(url, HOST) ? url : "/";
  return new Request(new URL(path, HOST), { headers, method: FORBIDDEN.has(method.toUpperCase()) ? "GET" : method });
}

function toHeaders(given: IncomingHttpHeaders): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(given))
    for (const one of [value].flat()) if (one !== undefined && !name.startsWith(":")) headers.append(name, one);
  return headers;
}

/** Methods that a `Request` can't have. */
const FORBIDDEN = new Set(["CONNECT", "TRACE", "TRACK"]);
