/** Signs in test users by name. */
import { UnauthenticatedError } from "../../errors.ts";
import type { User } from "../../domain/user.ts";

/** A bearer token that the test sign-in rejects. */
export const INVALID_TOKEN = "invalid";

/** Signs in the user whose id is the bearer token. Returns null if the request has no token. Throws for `INVALID_TOKEN`. */
export function authenticateTestUser(request: Request): User | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const id = header.replace("Bearer ", "");
  if (id === INVALID_TOKEN) throw new UnauthenticatedError("The token is invalid.");
  return { id, email: `${id}@example.com`, name: null };
}
