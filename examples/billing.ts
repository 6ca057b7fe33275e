/** Creates the service that every example mounts. Stripe's keys come from environment variables. */
import { createOidcAuthenticate, createTollkeeper, optionsFromEnvironment, type User } from "tollkeeper";
import { plans } from "./plans.ts";

const options = optionsFromEnvironment(process.env);

export const tollkeeper = createTollkeeper({ ...options, plans });

const authenticate = createOidcAuthenticate({
  issuer: options.authIssuer ?? "",
  audience: options.authAudience,
  clientIds: options.authClientIds,
  algorithms: options.authAlgorithms,
  jwksUri: options.authJwksUri,
  now: Date.now,
});

/**
 * Returns the user who calls a route of your app. Replace this function with your own sign-in; the example verifies the access
 * tokens that users also send to the service.
 */
export async function signedInUser(authorization: string | undefined): Promise<User | null> {
  const headers = new Headers(authorization === undefined ? {} : { authorization });
  const answer = authenticate(new Request("http://localhost", { headers }));
  return Promise.resolve(answer).catch(() => null);
}
