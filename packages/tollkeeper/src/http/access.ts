/**
 * Defines the access rules of routes: the credentials that each rule requires, their check, and their description in OpenAPI.
 */
import { createHash, timingSafeEqual } from "node:crypto";
import type { Authenticate } from "../auth/authenticate.ts";
import { toUser, type User } from "../domain/user.ts";
import { NotFoundError, TollkeeperError, UnauthenticatedError, UnavailableError } from "../errors.ts";
import type { HttpContext } from "./context.ts";

/** All access rules. The type maps each access rule to the type of the caller, such as a user, that the rule identifies. */
export interface Callers {
  /** Rule for routes that need no credentials. */
  public: null;
  /** Rule for routes of signed-in users. The app's `Authenticate` function checks the sign-in. */
  user: User;
  /** Rule for routes that need `METRICS_TOKEN` as a bearer token. */
  metrics_token: null;
  /** Rule for routes that need `WORK_TOKEN` as a bearer token. */
  work_token: null;
  /**
   * Rule for the webhook, which needs a `Stripe-Signature` header. Only the webhook endpoint (http/webhook-endpoint.ts) checks
   * the header `Stripe-Signature`.
   */
  stripe_signature: null;
}
export type Access = keyof Callers;

/** The access rules that the router checks. */
export type RouterAccess = Exclude<Access, "stripe_signature">;

type Check<A extends RouterAccess> = (context: HttpContext, request: Request) => Promise<Callers[A]>;

/**
 * Maps each access rule to the function that checks a request. The check of an access rule returns the caller of a request, and
 * throws `UnauthenticatedError` if credentials are missing or wrong.
 */
export const CHECKS: { readonly [A in RouterAccess]: Check<A> } = {
  public: async () => null,

  async user(context, request) {
    const user = await authenticateUser(context, request);
    if (user === null)
      throw new UnauthenticatedError("The request has no token. Sign in and send Authorization: Bearer <token>.");
    await requireStart(context);
    return user;
  },

  metrics_token: checkToken("METRICS_TOKEN", ({ metrics }) => metrics?.token ?? null),
  work_token: checkToken("WORK_TOKEN", ({ work }) => work.token),
};

/**
 * Creates the check of routes that need a token of the configuration. The check throws `NotFoundError` if the variable with the
 * name is not set, and `UnauthenticatedError` if the request has another token.
 */
function checkToken(
  name: "METRICS_TOKEN" | "WORK_TOKEN",
  tokenOf: (context: HttpContext) => string | null,
): (context: HttpContext, request: Request) => Promise<null> {
  return async (context, request) => {
    const token = tokenOf(context);
    if (token === null) throw new NotFoundError("not_found", `This route is disabled. Set ${name} to enable it.`);
    if (!isBearer(request.headers.get("authorization"), token))
      throw new UnauthenticatedError(`The token is not ${name}. Send Authorization: Bearer <${name}>.`);
    await requireStart(context);
    return null;
  };
}

/**
 * Returns the user who sent the request; null if the request has no credentials. Throws an error with the code
 * `sign_in_misconfigured` if the app's `Authenticate` function returns anything but a user. Without this check, all users whose
 * id is missing would share one customer.
 */
export async function authenticateUser(
  { authenticate }: Pick<HttpContext, "authenticate">,
  request: Request,
): Promise<User | null> {
  const returned: unknown = await run(authenticate, request);
  if (returned === null || returned === undefined) return null;
  try {
    return toUser(returned);
  } catch (cause) {
    throw new TollkeeperError(500, "sign_in_misconfigured", "The sign-in is not set up correctly. Contact support.", {
      cause,
    });
  }
}

/** Runs the app's `Authenticate` function. If it throws a value that is not an error, throws an error. */
async function run(authenticate: Authenticate, request: Request): Promise<unknown> {
  try {
    return await authenticate(request);
  } catch (cause) {
    if (cause instanceof Error) throw cause;
    throw new Error(`authenticate threw a value of the type ${typeof cause} instead of an error`, { cause });
  }
}

/** Security schemes of the OpenAPI document by name. */
export const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  metricsToken: { type: "http", scheme: "bearer", description: "METRICS_TOKEN" },
  workToken: { type: "http", scheme: "bearer", description: "WORK_TOKEN" },
  stripeSignature: { type: "apiKey", in: "header", name: "Stripe-Signature" },
} as const;

export const SECURITY: Readonly<Record<Access, keyof typeof SECURITY_SCHEMES | null>> = {
  public: null,
  user: "bearer",
  metrics_token: "metricsToken",
  work_token: "workToken",
  stripe_signature: "stripeSignature",
};

/**
 * Starts the tollkeeper service if it has not started yet. Throws `UnavailableError` if the service fails to start; the log
 * contains the reason.
 */
export async function requireStart({ started }: Pick<HttpContext, "started">): Promise<void> {
  try {
    await started();
  } catch (cause) {
    if (cause instanceof UnavailableError) throw cause;
    const message = "The service failed to start. Retry later; the service's log has the reason.";
    throw new UnavailableError("store_unavailable", message, { cause });
  }
}

/**
 * Returns true if the `Authorization` header contains the given bearer token. Compares digests of the tokens in constant time,
 * so that response times do not reveal the token.
 */
function isBearer(header: string | null, token: string): boolean {
  return timingSafeEqual(digest(header ?? ""), digest(`Bearer ${token}`));
}

function digest(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
