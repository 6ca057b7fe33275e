/** The one place where an app sets billing up; every example imports it. Keys come from the environment. */
import { createOidcAuthenticate, createTollkeeper, optionsFromEnvironment, type User } from "tollkeeper";
import { plans } from "./plans.ts";

const options = optionsFromEnvironment(process.env);

export const tollkeeper = createTollkeeper({ ...options, plans });

const authenticate = createOidcAuthenticate({
  issuer: options.authIssuer ?? "",
  audience: options.authAudience ?? "",
  now: Date.now,
});

/** Who calls a route of your own: your app has its way to know; this one takes the tokens that billing takes. */
export async function signedInUser(authorization: string | undefined): Promise<User | null> {
  const headers = new Headers(authorization === undefined ? {} : { authorization });
  const answer = authenticate(new Request("http://localhost", { headers }));
  return Promise.resolve(answer).catch(() => null);
}
