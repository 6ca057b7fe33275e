/** The app: Tollkeeper's routes below `/stripe`, and one route that is part of a plan. */
import Fastify, { type FastifyInstance } from "fastify";
import { toNodeHandler, type Tollkeeper } from "tollkeeper";

export function createApp(tollkeeper: Tollkeeper): FastifyInstance {
  const app = Fastify();

  const billing = toNodeHandler(tollkeeper);
  app.register(async (scope) => {
    // Tollkeeper reads the raw request, because Stripe signs the raw bytes of a webhook. So this plugin parses no bodies.
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser("*", (_request, _body, done) => done(null));
    scope.all(`${tollkeeper.basePath}/*`, (request, reply) => {
      reply.hijack();
      billing(request.raw, reply.raw);
    });
  });

  app.get("/export", async (request, reply) => {
    const user = await tollkeeper.getUser(request);
    if (!user) return reply.code(401).send("Sign in first.");
    if (!(await tollkeeper.can(user.id, "exports"))) return reply.code(403).send("Exports are part of Premium.");
    return reply.type("text/csv").send("title,words\n");
  });

  return app;
}
