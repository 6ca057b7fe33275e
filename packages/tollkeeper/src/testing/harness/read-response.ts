/** Reads the bodies of responses of the service and of Stripe. */

export interface TestResponse {
  status: number;
  /** The parsed JSON. If a response's body is not JSON, the result is the object `{ text }` with the body's text. */
  body: Record<string, unknown>;
}

/** Throws if the response's content type is JSON and its body is not valid JSON. */
export async function readResponse(response: Response): Promise<TestResponse> {
  const { status, headers } = response;
  if (!headers.get("content-type")?.includes("json")) return { status, body: { text: await response.text() } };
  return { status, body: (await response.json()) as Record<string, unknown> };
}
