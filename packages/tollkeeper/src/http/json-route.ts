/** The shape that all JSON routes share: who asks, what is sent, what is answered, and every error alike. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { ZodType } from "zod";
import type { User } from "../domain/user.ts";
import { UnauthenticatedError, UnavailableError } from "../errors.ts";
import { ErrorAnswer } from "../wire.ts";
import type { HttpContext } from "./context.ts";

export interface HttpEnv {
  Variables: { requestId: string; user: User };
}
export type App = OpenAPIHono<HttpEnv>;

export const SECURITY_SCHEME = "bearer";

/** What a route for signed-in users needs and may answer, beside its own. */
export const forUser = { security: [{ [SECURITY_SCHEME]: [] }] };

const errorContent = { "application/json": { schema: ErrorAnswer } };
const USER_ERRORS: Record<number, string> = {
  400: "The request is wrong; the message names the field",
  403: "origin_not_allowed: the page that asks is not one of the app's",
  401: "No token, or one that proves nothing",
  503: "Stripe or the store can't answer now; try again",
};

/** The 200 with its schema. Errors are documented but not typed: they are thrown, and answered in one place. */
export function answers<Schema extends ZodType>(
  schema: Schema,
  description: string,
  errors: Record<number, string> = {},
) {
  const success = { 200: { description, content: { "application/json": { schema } } } };
  const failures = Object.entries(errors).map(([status, text]) => [
    status,
    { description: text, content: errorContent },
  ]);
  return { ...(Object.fromEntries(failures) as object), ...success };
}

export function answersForUser<Schema extends ZodType>(
  schema: Schema,
  description: string,
  errors?: Record<number, string>,
) {
  return answers(schema, description, { ...USER_ERRORS, ...errors });
}

export function jsonBody<Schema extends ZodType>(schema: Schema) {
  return { body: { required: true, content: { "application/json": { schema } } } };
}

/** Finds out who asks before anything else is looked at. */
export function requireSignIn(app: App, context: HttpContext, routes: readonly { path: string }[]): void {
  for (const { path } of routes)
    app.use(path, async (c, next) => {
      const user = await context.authenticate(c.req.raw);
      if (!user) throw new UnauthenticatedError("Sign in first: send Authorization: Bearer <token>.");
      c.set("user", user);
      await requireStart(context);
      await next();
    });
}

/** Starts the service with the first request. Throws `UnavailableError` where it can't start: its log says why. */
export async function requireStart(context: Pick<HttpContext, "started">): Promise<void> {
  try {
    await context.started();
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause;
    throw new UnavailableError("store_unavailable", "The service could not start. Its log says why.", { cause });
  }
}
