/** Sends one request of the browser client to the service. */
import type { ErrorResponse } from "../wire.ts";
import { fromErrorResponse, noResponse, unexpectedResponse } from "./errors.ts";

export interface RequestOptions {
  baseUrl: string;
  getToken: () => Promise<string | null> | string | null;
  fetch: typeof fetch;
}

const TIMEOUT_MS = 20_000;

/** Returns the JSON of a successful response. Throws `TollkeeperClientError` for any response that is not successful. */
export async function request<Body>(
  options: RequestOptions,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<Body> {
  const token = await options.getToken();
  const headers: Record<string, string> = {};
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (method === "POST") headers["content-type"] = "application/json";
  const init = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await options
    .fetch(`${options.baseUrl}/${path}`, method === "POST" ? { ...init, body: JSON.stringify(body ?? {}) } : init)
    .catch((error: unknown) => {
      throw noResponse(error);
    });
  const json: unknown = await response.json().catch(() => undefined);
  if (response.ok && typeof json === "object" && json !== null) return json as Body;
  throw isErrorResponse(json) ? fromErrorResponse(response.status, json) : unexpectedResponse(response.status);
}

function isErrorResponse(json: unknown): json is ErrorResponse {
  return typeof json === "object" && json !== null && "error" in json && typeof json.error === "object";
}
