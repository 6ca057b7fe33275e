/**
 * Creates the response that the SDK gets if a request must no longer be sent. If an error were thrown instead, the SDK would
 * retry.
 */
export function unsentResponse(why: string): Response {
  const error = { type: "api_error", message: `The request was not sent: ${why}.` };
  return Response.json({ error }, { status: 503, headers: { "stripe-should-retry": "false" } });
}
