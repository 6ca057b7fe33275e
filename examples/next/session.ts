/**
 * Returns the user who calls a route of your app. Replace this function with your own sign-in; the example verifies the access
 * tokens that users also send to the service.
 */
import { createOidcAuthenticate, type Authenticate, type User } from "tollkeeper";

let authenticate: Authenticate | undefined;

export async function signedInUser(request: Request): Promise<User | null> {
  authenticate ??= createOidcAuthenticate({
    issuer: process.env["AUTH_ISSUER"] ?? "",
    audience: process.env["AUTH_AUDIENCE"] ?? "",
    now: Date.now,
  });
  try {
    return await authenticate(request);
  } catch {
    return null;
  }
}
