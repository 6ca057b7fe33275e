/** Who calls a route of your own: your app has its way to know; this one takes the tokens that billing takes. */
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
