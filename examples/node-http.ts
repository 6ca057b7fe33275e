/** Node's own server: the handler answers what is under its base path and passes on the rest. */
import { createServer } from "node:http";
import { toNodeHandler } from "tollkeeper";
import { signedInUser, tollkeeper } from "./billing.ts";

const billing = toNodeHandler(tollkeeper);

const server = createServer((request, response) =>
  billing(request, response, async () => {
    const user = await signedInUser(request.headers.authorization);
    if (request.url !== "/export") return response.writeHead(404).end("Not found.");
    if (!user) return response.writeHead(401).end("Sign in first.");
    if (!(await tollkeeper.can(user.id, "exports"))) return response.writeHead(403).end("Exports are part of Premium.");
    return response.writeHead(200, { "content-type": "text/csv" }).end("title,words\n");
  }),
);

await tollkeeper.start();
const port = Number(process.env["PORT"] ?? 3000);
server.listen(port, () => console.log(`node:http on http://127.0.0.1:${port}`));

process.once("SIGTERM", () => server.close(() => void tollkeeper.stop()));
