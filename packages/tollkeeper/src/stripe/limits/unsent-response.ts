/** What the SDK is answered about a request that must not be sent any more: after an error it would ask again. */
export function notSent(why: string): Response {
  const error = { type: "api_error", message: `The request was not sent: ${why}.` };
  return Response.json({ error }, { status: 503, headers: { "stripe-should-retry": "false" } });
}
