/** The person who is signed in, as the identity provider says. */

export interface User {
  /** The token's subject: the only thing that says who somebody is. An email never does. */
  id: string;
  email: string | null;
  name: string | null;
}
