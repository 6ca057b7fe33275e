/** Webhook secrets are rotated under running replicas, as docs/operations.md says: nothing that is genuine is refused. */
import { expect, test } from "vitest";
import type { Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { createWorld, DAY, WEBHOOK_SECRET as OLD } from "../support/world.ts";

test("a rotation of the webhook's secret refuses nothing, on whichever replica it arrives", async () => {
  let running: Tollkeeper[] = [];
  const answered: number[] = [];
  const world = await createWorld({
    pushPlans: false,
    deliver: async (request) => {
      const body = await request.text();
      const { headers } = request;
      // Whichever replica the load balancer chooses.
      for (const replica of running)
        answered.push((await replica.fetch(new Request(request.url, { method: "POST", headers, body }))).status);
      return new Response();
    },
  });
  const knowing = (...stripeWebhookSecrets: string[]): Tollkeeper => world.replica({ stripeWebhookSecrets });
  /** How the replicas that run answer the word of a change at Stripe. */
  const answersOf = async (...replicas: Tollkeeper[]): Promise<number[]> => {
    running = replicas;
    answered.length = 0;
    await world.stripe("POST", "/v1/customers");
    await world.emulator.settle();
    return [...answered];
  };
  const old = knowing(OLD);
  expect(await answersOf(old)).toEqual([200]);

  const { body: endpoints } = await world.stripe("GET", "/v1/webhook_endpoints");
  const rolled = await world.emulator.fetch(
    new Request("http://stripe.test/_emulator/webhook_endpoints/roll", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ endpoint: (endpoints["data"] as { id: string }[])[0]?.id, seconds: DAY }),
    }),
  );
  const { secret } = (await rolled.json()) as { secret: string };
  const both = knowing(secret, OLD);
  expect(await answersOf(old)).toEqual([200]);
  expect(await answersOf(old, both)).toEqual([200, 200]);
  expect(await answersOf(both)).toEqual([200]);

  await world.emulator.advance(DAY + 1);
  const fresh = knowing(secret);
  expect(await answersOf(both, fresh)).toEqual([200, 200]);
  expect(await answersOf(fresh)).toEqual([200]);
  // The old secret is worth nothing now: whoever missed the deployment hears nothing any more.
  expect(await answersOf(old)).toEqual([400]);
});
