/** Test clocks. @see https://docs.stripe.com/api/test_clocks/object */
import { newId } from "../core/ids.ts";
import type { ObjectSource } from "../core/object-source.ts";

export type TestClock = ReturnType<typeof newTestClock>;

/** The time after which Stripe deletes a test clock. */
const LIFETIME_SECONDS = 30 * 86_400;

export function newTestClock(source: ObjectSource, params: { frozen_time: number; name?: string | undefined }) {
  return {
    id: newId(source, "clock"),
    object: "test_helpers.test_clock" as const,
    created: source.state.now,
    deletes_after: source.state.now + LIFETIME_SECONDS,
    frozen_time: params.frozen_time,
    livemode: false as const,
    name: params.name ?? null,
    status: "ready" as "advancing" | "internal_failure" | "ready",
    status_details: {} as { advancing?: { target_frozen_time: number } },
  };
}
