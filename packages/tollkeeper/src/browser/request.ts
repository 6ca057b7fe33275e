/** One call to the service. */
import type { ErrorAnswer } from "../wire.ts";
import { fromAnswer, noAnswer, unexpectedAnswer } from "./errors.ts";

export interface RequestOptions {
  baseUrl: string;
  getToken: () => Promise<string | null> | string | null;
  fetch: typeof fetch;
}

const TIMEOUT_MS = 20_000;

/** Throws `TollkeeperClientError` for anything but a JSON success. */
export async function request<Answer>(
  options: RequestOptions,
  method: "GET" | "POST",
  path: string,
  body?: object,
): Promise<Answer> {
  const token = await options.getToken();
  const headers: Record<string, string> = {};
  if (token !== null) headers["authorization"] = `Bearer ${token}`;
  if (method === "POST") headers["content-type"] = "application/json";
  const init = { method, headers, signal: AbortSignal.timeout(TIMEOUT_MS) };
  const response = await options
    .fetch(`${options.baseUrl}/${path}`, method === "POST" ? { ...init, body: JSON.stringify(body ?? {}) } : init)
    .catch((error: unknown) => {
      throw noAnswer(error);
    });
  const answer: unknown = await response.json().catch(() => undefined);
  if (response.ok && typeof answer === "object" && answer !== null) return answer as Answer;
  throw isErrorAnswer(answer) ? fromAnswer(response.status, answer) : unexpectedAnswer(response.status);
}

function isErrorAnswer(answer: unknown): answer is ErrorAnswer {
  return typeof answer === "object" && answer !== null && "error" in answer && typeof answer.error === "object";
}
