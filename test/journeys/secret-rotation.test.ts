/** Tests the rotation of a webhook secret on running replicas, as docs/operations.md describes it. */
import { expect, test } from "vitest";
import type { Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { TEST_WEBHOOK_SECRET as OLD } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import { createTestHarness, DAY } from "../support/harness.ts";

test("a rotation of the webhook secret rejects no genuine delivery on any replica", async () => {
  let running: Tollkeeper[] = [];
  const statuses: number[] = [];
  const billing = await createTestHarness({
    pushPlans: false,
    deliver: async (request) => {
      const body = await request.text();
      const { headers } = request;
      // The load balancer may send a delivery to any replica.
      for (const replica of running)
        statuses.push((await replica.fetch(new Request(request.url, { method: "POST", headers, body }))).status);
      return new Response();
    },
  });
  const withSecrets = (...stripeWebhookSecrets: string[]): Tollkeeper => billing.addReplica({ stripeWebhookSecrets });
  /** Sends a new event to each running replica, and returns the status of each response. */
  const statusesOf = async (...replicas: Tollkeeper[]): Promise<number[]> => {
    running = replicas;
    statuses.length = 0;
    await billing.stripe("POST", "/v1/customers");
    await billing.emulator.drain();
    return [...statuses];
  };
  const old = withSecrets(OLD);
  expect(await statusesOf(old)).toEqual([200]);

  const { body: endpoints } = await billing.stripe("GET", "/v1/webhook_endpoints");
  const rolled = await billing.emulator.fetch(
    new Request("http://stripe.test/_emulator/webhook_endpoints/roll", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ endpoint: (endpoints["data"] as { id: string }[])[0]?.id, seconds: DAY }),
    }),
  );
  const { secret } = (await rolled.json()) as { secret: string };
  const both = withSecrets(secret, OLD);
  expect(await statusesOf(old)).toEqual([200]);
  expect(await statusesOf(old, both)).toEqual([200, 200]);
  expect(await statusesOf(both)).toEqual([200]);

  await billing.emulator.advance(DAY + 1);
  const fresh = withSecrets(secret);
  expect(await statusesOf(both, fresh)).toEqual([200, 200]);
  expect(await statusesOf(fresh)).toEqual([200]);
  // The old webhook secret has expired, so a replica with only the old secret rejects every delivery.
  expect(await statusesOf(old)).toEqual([400]);
});
