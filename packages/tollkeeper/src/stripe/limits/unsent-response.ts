/**
 * Creates the response that the SDK gets if a request must no longer be sent. If an error were thrown for an unsent request,
 * the SDK would retry the request.
 */
export function unsentResponse(why: string): Response {
  const error = { type: "api_error", message: `The request was not sent: ${why}.` };
  return Response.json({ error }, { status: 503, headers: { "stripe-should-retry": "false" } });
}
