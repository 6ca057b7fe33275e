import { expect, test } from "vitest";
import { createWorld, DAY } from "../support/world.ts";

test("a purchase opens access, a cancellation keeps it until the period ends, and then it is gone", async () => {
  const world = await createWorld();
  expect(await world.features("ada")).toEqual([]);

  const paid = await world.subscribe("ada");
  expect(paid.status).toBe(200);
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);

  const canceled = await world.call("ada", "POST", "cancel-subscription", { reason: "unused", comment: "moving on" });
  expect(canceled.body["subscription"]).toMatchObject({ cancelAtPeriodEnd: true, status: "active" });
  await world.settle();
  expect(await world.features("ada")).toEqual(["exports", "priority_support"]);

  await world.advance(31 * DAY);
  expect(await world.features("ada")).toEqual([]);
  const { body } = await world.call("ada", "GET", "subscriptions");
  expect(body["subscriptions"]).toMatchObject([{ status: "canceled", live: false }]);
});
