/** Defines the API routes of test clocks. @see https://docs.stripe.com/api/test_clocks */
import { z } from "zod";
import type { Api } from "../api.ts";
import { deleteCustomer } from "../billing/customer-deletion.ts";
import { runClock } from "../billing/run-timers.ts";
import { startMove } from "../core/clock-move.ts";
import { copy } from "../core/copy.ts";
import { ApiError } from "../core/errors.ts";
import { emit } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import { expand, integer, listParams, text } from "../core/params.ts";
import { insert, listAll, listBy, remove, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { newTestClock, type TestClock } from "../objects/test-clock.ts";

export const CreateParams = z.strictObject({ frozen_time: integer, name: text.max(300).optional(), expand });
const AdvanceParams = z.strictObject({ frozen_time: integer, expand });

/**
 * The longest time, in seconds, by which one request can advance a test clock. Stripe's limit is two billing intervals,
 * and the longest interval is a year.
 */
const MAX_ADVANCE = 2 * 366 * 86_400;

export function testClockRoutes(api: Api): void {
  const path = "/v1/test_helpers/test_clocks";
  api.post(path, CreateParams, (context, params) => {
    const clock = insert(context, "test_helpers.test_clock", newTestClock(context, params));
    emit(context, "test_helpers.test_clock.created", clock);
    return clock;
  });
  api.get(path, z.strictObject(listParams), (context, params) =>
    paginate(context, listAll(context, "test_helpers.test_clock"), params, { url: path }),
  );
  api.get(`${path}/:id`, z.strictObject({ expand }), (context, _params, id) =>
    retrieve(context, "test_helpers.test_clock", id),
  );

  api.post(`${path}/:id/advance`, AdvanceParams, (context, params, id) => {
    const clock = retrieve(context, "test_helpers.test_clock", id);
    if (params.frozen_time <= clock.frozen_time)
      throw new ApiError("The clock can only be advanced to a time in the future.", { param: "frozen_time" });
    if (params.frozen_time - clock.frozen_time > MAX_ADVANCE)
      throw new ApiError("The clock can't be advanced by more than two years at once.", {
        code: "test_clock_advance_limit_exceeded",
        param: "frozen_time",
      });
    return advance(context, clock, params.frozen_time);
  });

  api.delete(`${path}/:id`, z.strictObject({}), (context, _params, id) => {
    const clock = retrieve(context, "test_helpers.test_clock", id);
    context.clock = id;
    for (const customer of listBy(context, "customer", { test_clock: id })) deleteCustomer(context, customer);
    remove(context, "test_helpers.test_clock", id);
    context.account.timers.clocks.delete(id);
    emit(context, "test_helpers.test_clock.deleted", clock);
    return { id, object: "test_helpers.test_clock", deleted: true };
  });
}

/** Advances a test clock and at once runs the clock's timers that are due. Returns the status "advancing", as Stripe does. */
function advance(context: Context, clock: TestClock, target: number): TestClock {
  Object.assign(clock, { status: "advancing", status_details: { advancing: { target_frozen_time: target } } });
  emit(context, "test_helpers.test_clock.advancing", clock);
  const answer = copy(clock);
  const { request } = context;
  context.move = Object.assign(startMove(clock.frozen_time, clock.id), { to: target });
  runClock(context, clock.id, target);
  context.request = request;
  const there = retrieve(context, "test_helpers.test_clock", clock.id);
  Object.assign(there, { frozen_time: target, status: "ready", status_details: {} });
  context.clock = clock.id;
  emit(context, "test_helpers.test_clock.ready", there);
  return answer;
}
