/** Signs in the users of a test by their ids. */
import type { User } from "../domain/user.ts";

/** The user's id is encoded, because a header has only Latin letters and no spaces at its ends. */
export function bearer(user: string): Record<string, string> {
  return { authorization: `Bearer ${encodeURIComponent(user)}` };
}

/** Signs in the user whom `bearer` names. */
export function authenticate(request: Request): User | null {
  const [, token] = /^Bearer (\S+)$/.exec(request.headers.get("authorization") ?? "") ?? [];
  if (token === undefined) return null;
  const id = decodeURIComponent(token);
  return { id, email: `${token}@example.com`, name: null };
}
