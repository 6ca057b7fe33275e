/** Sends one request of the browser client to the service. */
import type { ErrorResponse } from "../wire.ts";
import { fromErrorResponse, noResponse, noToken, unexpectedResponse } from "./errors.ts";

/**
 * Returns the signed-in user's access token. A user without a token is a visitor. The function may also reject for a visitor,
 * as `getTokenSilently()` of Auth0 does.
 */
export type GetToken = () => Promise<string | null | undefined> | string | null | undefined;

export interface RequestOptions {
  baseUrl: string;
  /** Null for a route that needs no user. */
  getToken: GetToken | null;
  fetch: typeof fetch;
}

const TIMEOUT_MS = 20_000;
/** Limit for `getToken`, which may wait until the user has signed in. */
const TOKEN_TIMEOUT_MS = 60_000;

/** Returns the JSON of a successful response. Throws `TollkeeperClientError` for any response that is not successful. */
export async function request<Body>(
  options: RequestOptions,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<Body> {
  const { token, failure } = await readToken(options.getToken);
  const headers: Record<string, string> = {};
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (method === "POST") headers["content-type"] = "application/json";
  const init = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await send(options, path, method === "POST" ? { ...init, body: JSON.stringify(body ?? {}) } : init);
  const json = await readJson(response);
  if (response.ok && typeof json === "object" && json !== null) return json as Body;
  throw isErrorResponse(json) ? fromErrorResponse(response.status, json, failure) : unexpectedResponse(response.status);
}

async function send(options: RequestOptions, path: string, init: RequestInit): Promise<Response> {
  try {
    return await options.fetch(`${options.baseUrl}/${path}`, init);
  } catch (error) {
    throw noResponse(error);
  }
}

/** Returns the JSON of a response; undefined if the body is no JSON. A body that breaks off counts as no response. */
async function readJson(response: Response): Promise<unknown> {
  try {
    return (await response.json()) as unknown;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw noResponse(error);
  }
}

/**
 * Returns the user's token. The token is null for a visitor: if `getToken` fails, or if its result is no text that a header can
 * carry. Throws `TollkeeperClientError` if `getToken` takes too long.
 */
async function readToken(getToken: GetToken | null): Promise<{ token: string | null; failure?: unknown }> {
  if (getToken === null) return { token: null };
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(noToken()), TOKEN_TIMEOUT_MS);
  });
  const given = (async () => getToken())().then(
    (token) => ({ token: isToken(token) ? token : null }),
    (failure: unknown) => ({ token: null, failure }),
  );
  try {
    return await Promise.race([given, timeout]);
  } finally {
    clearTimeout(timer);
  }
}

function isToken(value: unknown): value is string {
  return typeof value === "string" && /^[\x21-\x7e]+$/.test(value);
}

function isErrorResponse(json: unknown): json is ErrorResponse {
  if (typeof json !== "object" || json === null || !("error" in json)) return false;
  const { error } = json;
  return (
    typeof error === "object" &&
    error !== null &&
    ["code", "message", "requestId"].every((name) => typeof Reflect.get(error, name) === "string")
  );
}
