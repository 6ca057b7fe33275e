/** Mounts the service in Express, Fastify and node:http. */
import type { ServerResponse } from "node:http";
import { getRequestListener } from "@hono/node-server";
import type { Logger } from "../runtime.ts";
import { isNodeBodyConsumed, refuseNodeRequest } from "./consumed-body.ts";
import type { NodeRequest } from "./read-body.ts";
import { handleNodeWebhook, isNodeWebhook } from "./webhook-endpoint.ts";
import type { ReceiveWebhook } from "./webhook-endpoint.ts";

export type NodeHandler = (request: NodeRequest, response: ServerResponse, next?: (error?: unknown) => void) => void;

export interface Mountable {
  fetch: (request: Request) => Promise<Response>;
  basePath: string;
  /**
   * Receives webhooks without creating a `Request` object for each webhook. Default: the function `fetch` receives webhooks
   * like all other requests.
   */
  receiveWebhook?: ReceiveWebhook;
  /** Logs requests that the handler itself refuses. Default: none. */
  log?: Pick<Logger, "warn">;
}

/** The host of requests without the header `Host`. Health checks of some load balancers, such as HAProxy, use HTTP/1.0. */
const HOST_IF_MISSING = "localhost";

/**
 * Returns the service as a Node handler. As Express middleware, the handler calls `next` for requests outside its base path.
 * Mount the handler before `express.json()`, or keep the raw bytes as a Buffer in `request.rawBody`, because Stripe signs the
 * raw bytes.
 *
 * @example
 * app.use(toNodeHandler(tollkeeper));
 */
export function toNodeHandler({ fetch, basePath, receiveWebhook, log }: Mountable): NodeHandler {
  const listener = getRequestListener(fetch, { hostname: HOST_IF_MISSING, overrideGlobalObjects: false });
  return (request, response, next) => {
    // Express removes the mount path from `request.url`. The whole path is restored only for requests that Tollkeeper handles,
    // because Express's `next` expects the path without the mount path.
    const url = request.originalUrl ?? request.url ?? "/";
    const isOurs = url === basePath || (/^[/?]/.test(url.slice(basePath.length)) && url.startsWith(basePath));
    if (!isOurs && next) return next();
    if (isNodeBodyConsumed(request)) return refuseNodeRequest(request, response, log);
    if (receiveWebhook && isNodeWebhook(request, url, basePath))
      return void handleNodeWebhook(receiveWebhook, request, response).catch(() => response.destroy());
    request.url = url;
    void listener(request, response);
  };
}
