/** Refuses requests whose body was read before the service got the request. The app must mount the service first. */
import type { ServerResponse } from "node:http";
import type { Logger } from "../runtime.ts";
import type { ErrorResponse } from "../wire.ts";
import type { NodeRequest } from "./read-body.ts";

type Log = Pick<Logger, "warn"> | undefined;

const NODE_MESSAGE =
  "Another middleware has read the body. Mount toNodeHandler() ahead of express.json(), or keep the raw bytes in request.rawBody.";
const FETCH_MESSAGE =
  "Another handler has read the body. Pass the request to fetch() before any code reads its body, or pass request.clone().";

export function isNodeBodyConsumed(request: NodeRequest): boolean {
  const hasBody = request.method === "POST" && request.headers["content-length"] !== "0";
  return hasBody && request.readableEnded && !(request.rawBody instanceof Buffer);
}

export function refuseNodeRequest(request: NodeRequest, response: ServerResponse, log: Log): void {
  const body = refusal(request.method, NODE_MESSAGE, log);
  response.writeHead(500, { "content-type": "application/json" }).end(JSON.stringify(body));
}

export function isBodyConsumed(request: Request): boolean {
  return request.method === "POST" && request.bodyUsed;
}

export function refuseRequest(request: Request, log: Log): Response {
  return Response.json(refusal(request.method, FETCH_MESSAGE, log), { status: 500 });
}

function refusal(method: string | undefined, message: string, log: Log): ErrorResponse {
  const code = "body_already_read";
  log?.warn({ method, code, reason: message }, "request refused");
  return { error: { code, message, requestId: "" } };
}
