/**
 * Returns the user who calls a route of your app. Replace this function with your own sign-in; the example verifies the access
 * tokens that users also send to the service.
 */
import { createOidcAuthenticate, optionsFromEnvironment, type Authenticate, type User } from "tollkeeper";

let authenticate: Authenticate | undefined;

export async function signedInUser(request: Request): Promise<User | null> {
  const { authIssuer: issuer = "", authAudience: audience = "" } = optionsFromEnvironment(process.env);
  authenticate ??= createOidcAuthenticate({ issuer, audience, now: Date.now });
  try {
    return await authenticate(request);
  } catch {
    return null;
  }
}
