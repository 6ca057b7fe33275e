/** Test clocks: time that customers made with them live in. @see https://docs.stripe.com/api/test_clocks */
import { isOver } from "../billing/subscription-periods.ts";
import { z } from "zod";
import type { Api } from "../api.ts";
import { runClock } from "../billing/due.ts";
import { end } from "../billing/subscription-endings.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { page } from "../core/lists.ts";
import { expand, integer, listParams, text } from "../core/params.ts";
import { newId } from "../core/ids.ts";
import { all, copy, insert, need, of, remove, type World } from "../core/world.ts";

export type TestClock = ReturnType<typeof newTestClock>;

const CreateParams = z.strictObject({ frozen_time: integer, name: text.max(300).optional(), expand });
const AdvanceParams = z.strictObject({ frozen_time: integer, expand });

/** Stripe drops a clock after this time. */
const LIFETIME = 30 * 86_400;
/** Stripe moves a clock no further at once than two of the longest intervals. */
const MAX_ADVANCE = 2 * 366 * 86_400;

function newTestClock(world: World, params: z.output<typeof CreateParams>) {
  return {
    id: newId(world, "clock"),
    object: "test_helpers.test_clock" as const,
    created: world.state.now,
    deletes_after: world.state.now + LIFETIME,
    frozen_time: params.frozen_time,
    livemode: false as const,
    name: params.name ?? null,
    status: "ready" as "advancing" | "internal_failure" | "ready",
    status_details: {} as { advancing?: { target_frozen_time: number } },
  };
}

export function testClockRoutes(api: Api): void {
  const path = "/v1/test_helpers/test_clocks";
  api.post(path, CreateParams, (world, params) => {
    const clock = insert(world, "test_helpers.test_clock", newTestClock(world, params));
    emit(world, "test_helpers.test_clock.created", clock);
    return clock;
  });
  api.get(path, z.strictObject(listParams), (world, params) =>
    page(world, all(world, "test_helpers.test_clock"), params, path),
  );
  api.get(`${path}/:id`, z.strictObject({ expand }), (world, _params, id) =>
    need(world, "test_helpers.test_clock", id),
  );

  api.post(`${path}/:id/advance`, AdvanceParams, (world, params, id) => {
    const clock = need(world, "test_helpers.test_clock", id);
    if (params.frozen_time <= clock.frozen_time)
      throw new ApiError("The clock can only be advanced to a time in the future.", { param: "frozen_time" });
    if (params.frozen_time - clock.frozen_time > MAX_ADVANCE)
      throw new ApiError("The clock can't be advanced by more than two years at once.", {
        code: "test_clock_advance_limit_exceeded",
        param: "frozen_time",
      });
    return advance(world, clock, params.frozen_time);
  });

  api.delete(`${path}/:id`, z.strictObject({}), (world, _params, id) => {
    const clock = need(world, "test_helpers.test_clock", id);
    world.clock = id;
    for (const customer of of(world, "customer", "test_clock", id))
      for (const subscription of of(world, "subscription", "customer", customer.id))
        if (!isOver(subscription)) end(world, subscription, "cancellation_requested");
    remove(world, "test_helpers.test_clock", id);
    world.account.timers.clocks.delete(id);
    emit(world, "test_helpers.test_clock.deleted", clock);
    return { id, object: "test_helpers.test_clock", deleted: true };
  });
}

/** Does what is due until then. The answer is how it stands at the beginning, as Stripe's is; the work is done at once. */
function advance(world: World, clock: TestClock, target: number): TestClock {
  Object.assign(clock, { status: "advancing", status_details: { advancing: { target_frozen_time: target } } });
  emit(world, "test_helpers.test_clock.advancing", clock);
  const answer = copy(clock);
  const { request } = world;
  runClock(world, clock.id, target);
  world.request = request;
  const there = need(world, "test_helpers.test_clock", clock.id);
  Object.assign(there, { frozen_time: target, status: "ready", status_details: {} });
  world.clock = clock.id;
  emit(world, "test_helpers.test_clock.ready", there);
  return answer;
}
