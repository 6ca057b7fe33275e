/** Who makes a request: any function from Request to user will do. */
import type { User } from "../domain/user.ts";

/**
 * Answers the user, null where the request carries no sign-in, and throws `UnauthenticatedError` for one that proves
 * nothing. Sessions, cookies or API keys of your own go here.
 */
export type Authenticate = (request: Request) => Promise<User | null> | User | null;
