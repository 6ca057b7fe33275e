/** Defines the signed-in user, as the identity provider describes the user. */

export interface User {
  /** Subject (`sub`) of the user's token. Only the subject (`sub`) identifies a user; the email never does. */
  id: string;
  email: string | null;
  name: string | null;
}
