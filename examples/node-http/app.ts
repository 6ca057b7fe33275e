/** The app: Tollkeeper's routes below `/stripe`, and one route that is part of a plan. */
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import { toNodeHandler, type Tollkeeper } from "tollkeeper";

export function createApp(tollkeeper: Tollkeeper): RequestListener {
  const billing = toNodeHandler(tollkeeper);

  async function handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const answer = (status: number, text: string) => void response.writeHead(status).end(text);
    if (request.url !== "/export") return answer(404, "Not found.");
    const user = await tollkeeper.getUser(request);
    if (!user) return answer(401, "Sign in first.");
    if (!(await tollkeeper.can(user.id, "exports"))) return answer(403, "Exports are part of Premium.");
    return answer(200, "title,words\n");
  }

  // Tollkeeper handles the paths below its base path, and passes the other requests on.
  return (request, response) => billing(request, response, () => void handle(request, response));
}
