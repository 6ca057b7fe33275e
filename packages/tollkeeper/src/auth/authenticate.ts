/** Declares the sign-in: a function that returns the user who sent a request. */
import type { User } from "../domain/user.ts";

/**
 * Returns the user, or null if the request has no credentials. Throws `UnauthenticatedError` if the credentials are not
 * valid. An app passes its own function for sessions, cookies or API keys.
 */
export type Authenticate = (request: Request) => Promise<User | null> | User | null;
