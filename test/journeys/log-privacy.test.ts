/** Tests that logs contain no personal data. The id of a user may be an email address. */
import { DatabaseSync } from "node:sqlite";
import { expect, test } from "vitest";
import { createTestBilling, DAY } from "../support/billing.ts";

test("no log line contains the user's id when access ends after the user's customer was deleted", async () => {
  const user = "ada_lovelace";
  const revoked: string[] = [];
  let delivers = true;
  const billing = await createTestBilling({
    deliver: (request, next) => (delivers ? next(request) : Promise.reject(new TypeError("fetch failed"))),
    options: { hooks: { onAccessRevoked: async ({ owner }) => void revoked.push(owner.id) } },
  });
  expect(await billing.subscribe(user)).toMatchObject({ status: 200 });
  const { body } = await billing.stripe("GET", "/v1/subscriptions");
  const id = (body["data"] as { id: string }[])[0]?.id ?? "";
  await billing.stripe("POST", `/v1/subscriptions/${id}`, { cancel_at_period_end: "true" });
  await billing.drain();
  delivers = false;
  const database = new DatabaseSync(new URL(billing.databaseUrl));
  database.exec("delete from customer_links");
  database.close();
  await billing.advance(32 * DAY);
  expect(revoked).toEqual([user]);
  expect(JSON.stringify(billing.log)).not.toContain(user);
});
