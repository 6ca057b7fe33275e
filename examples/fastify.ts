/** Mounts the service in Fastify. The service's handler reads the raw request, so the plugin removes Fastify's body parsers. */
import Fastify from "fastify";
import { toNodeHandler } from "tollkeeper";
import { signedInUser, tollkeeper } from "./billing.ts";

const app = Fastify();
const billing = toNodeHandler(tollkeeper);

await app.register(async (scope) => {
  scope.removeAllContentTypeParsers();
  scope.addContentTypeParser("*", (_request, _body, done) => done(null));
  scope.all(`${tollkeeper.basePath}/*`, (request, reply) => {
    reply.hijack();
    billing(request.raw, reply.raw);
  });
});

app.get("/export", async (request, reply) => {
  const user = await signedInUser(request.headers.authorization);
  if (!user) return reply.code(401).send("Sign in first.");
  if (!(await tollkeeper.can(user.id, "exports"))) return reply.code(403).send("Exports are part of Premium.");
  return reply.type("text/csv").send("title,words\n");
});

await tollkeeper.start();
const port = Number(process.env["PORT"] ?? 3000);
await app.listen({ port });
console.log(`Fastify on http://127.0.0.1:${port}`);

process.once("SIGTERM", () => void app.close().then(() => tollkeeper.stop()));
