/**
 * The configuration of a service under crash tests. In crash tests, the service never reconciles, because a reconcile would
 * hide that events were lost.
 */
import { authenticateTestUser } from "../../packages/tollkeeper/src/testing/harness/sign-in.ts";
import { PLANS } from "../support/plans.ts";

const MINUTES_A_DAY = 1_440;

export default { plans: PLANS, authenticate: authenticateTestUser, reconcileEveryMinutes: MINUTES_A_DAY };
