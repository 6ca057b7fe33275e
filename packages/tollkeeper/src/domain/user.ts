/** Defines the signed-in user, as the identity provider describes the user. */
import { InvalidRequestError } from "../errors.ts";
import { findIdProblem } from "./owner.ts";

export interface User {
  /** Subject (`sub`) of the user's token. Only the subject (`sub`) identifies a user; the email never does. */
  id: string;
  email: string | null;
  name: string | null;
}

/**
 * Returns the user that a value of the app describes. An email or a name that is not a string is left out. Throws
 * `InvalidRequestError` if the value has no valid id. The message names the field, never its value.
 */
export function toUser(value: unknown): User {
  if (typeof value !== "object" || value === null)
    throw new InvalidRequestError("invalid_request", "The user is not an object. Pass { id, email, name }.");
  const { id, email, name } = value as Record<keyof User, unknown>;
  const problem = findIdProblem(id);
  if (problem !== null)
    throw new InvalidRequestError(
      "invalid_request",
      `The user's "id" ${problem}. Pass the id of one user as a string.`,
    );
  return { id: id as string, email: textOrNull(email), name: textOrNull(name) };
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
