/** What a service under crash tests sells and whom it believes. Its reconcile stays away: it would mend what is to be found. */
import { UnauthenticatedError, type User } from "../../packages/tollkeeper/src/index.ts";
import { PLANS } from "../support/plans.ts";

const MINUTES_A_DAY = 1_440;

function signIn(request: Request): User | null {
  const header = request.headers.get("authorization");
  if (header === null) return null;
  const [, id] = /^Bearer (user-\d+)$/.exec(header) ?? [];
  if (id === undefined) throw new UnauthenticatedError("This token is nobody's.");
  return { id, email: `${id}@example.com`, name: null };
}

export default { plans: PLANS, authenticate: signIn, reconcileEveryMinutes: MINUTES_A_DAY };
