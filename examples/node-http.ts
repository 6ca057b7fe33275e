/**
 * Mounts the service in Node's own HTTP server. The service's handler processes paths below its base path and calls `next` for
 * all other paths.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { toNodeHandler } from "tollkeeper";
import { signedInUser, tollkeeper } from "./billing.ts";

const billing = toNodeHandler(tollkeeper);

const server = createServer((request, response) => billing(request, response, () => void exportAll(request, response)));

async function exportAll(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const answer = (status: number, text: string) => void response.writeHead(status).end(text);
  if (request.url !== "/export") return answer(404, "Not found.");
  const user = await signedInUser(request.headers.authorization);
  if (!user) return answer(401, "Sign in first.");
  if (!(await tollkeeper.can(user.id, "exports"))) return answer(403, "Exports are part of Premium.");
  return answer(200, "title,words\n");
}

await tollkeeper.start();
const port = Number(process.env["PORT"] ?? 3000);
server.listen(port, () => console.log(`node:http on http://127.0.0.1:${port}`));

process.once("SIGTERM", () => server.close(() => void tollkeeper.stop()));
