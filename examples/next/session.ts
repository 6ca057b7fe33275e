/**
 * Returns the user who calls a route of your app. Replace this function with your own sign-in; the example verifies the access
 * tokens that users also send to the service.
 */
import { createOidcAuthenticate, optionsFromEnvironment, type Authenticate, type User } from "tollkeeper";

let authenticate: Authenticate | undefined;

export async function signedInUser(request: Request): Promise<User | null> {
  authenticate ??= createAuthenticate();
  try {
    return await authenticate(request);
  } catch {
    return null;
  }
}

function createAuthenticate(): Authenticate {
  const options = optionsFromEnvironment(process.env);
  return createOidcAuthenticate({
    issuer: options.authIssuer ?? "",
    audience: options.authAudience,
    clientIds: options.authClientIds,
    algorithms: options.authAlgorithms,
    jwksUri: options.authJwksUri,
    now: Date.now,
  });
}
