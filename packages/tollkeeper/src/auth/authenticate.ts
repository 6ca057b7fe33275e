/** Declares the sign-in: a function that returns the user who sent a request. */
import type { User } from "../domain/user.ts";

/**
 * Returns the user, or null if the request has no credentials. Throws `UnauthenticatedError` if the credentials are not
 * valid. The user's id must be a string of 1 to 255 characters that only this user has; the service refuses any other id. An
 * app that signs users in with sessions, cookies or API keys passes its own `Authenticate` function.
 */
export type Authenticate = (request: Request) => Promise<User | null> | User | null;
