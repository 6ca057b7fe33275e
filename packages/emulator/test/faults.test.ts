/** Tests faults that delay responses, and faults that affect requests and deliveries with a probability. */
import { expect, onTestFinished, test } from "vitest";
import { createEmulator, type Emulator } from "../src/index.ts";
import { connect, createSdk } from "./support/sdk.ts";

async function setFault({ fetch }: Pick<Emulator, "fetch">, fault: object, kind = "faults"): Promise<Response> {
  return fetch(new Request(`http://stripe.test/_emulator/${kind}`, { method: "POST", body: JSON.stringify(fault) }));
}

/** Returns a function that says whether a promise has been fulfilled or rejected. */
function watch(promise: Promise<unknown>): () => boolean {
  let isSettled = false;
  const settle = (): void => {
    isSettled = true;
  };
  promise.then(settle, settle);
  return () => isSettled;
}

test.each([
  ["before", 0],
  ["after", 1],
] as const)("a response is delayed until the clock has moved, %s the request takes effect", async (when, created) => {
  const { stripe, emulator } = createSdk();
  await setFault(emulator, { path: "/v1/customers", method: "POST", answer: "delay", milliseconds: 2_500, when });
  const call = stripe.customers.create({ name: "Ada" });
  const isSettled = watch(call);
  await emulator.advance(2);
  expect(isSettled()).toBe(false);
  expect((await stripe.customers.list()).data).toHaveLength(created);
  await emulator.advance(3_600);
  const { created: at } = await call;
  expect((await stripe.customers.list()).data).toHaveLength(1);
  // The request takes effect in its turn, not at the end of the move of the clock.
  expect(at * 1_000).toBe(emulator.now() - (when === "before" ? 3_599_000 : 3_602_000));
});

test("a delayed request keeps its idempotency key in use", async () => {
  const { stripe, emulator } = createSdk();
  await setFault(emulator, { path: "/v1/customers", answer: "delay" });
  const first = stripe.customers.create({ name: "Ada" }, { idempotencyKey: "one" });
  await expect(stripe.customers.create({ name: "Ada" }, { idempotencyKey: "one" })).rejects.toMatchObject({
    statusCode: 409,
  });
  await emulator.advance(1);
  const again = await stripe.customers.create({ name: "Ada" }, { idempotencyKey: "one" });
  expect(again.id).toBe((await first).id);
});

test("a reset of the emulator completes delayed requests", async () => {
  const { stripe, emulator } = createSdk();
  await setFault(emulator, { path: "/v1/customers", answer: "delay" });
  const call = stripe.customers.list();
  await emulator.fetch(new Request("http://stripe.test/_emulator/reset", { method: "POST" }));
  expect((await call).data).toEqual([]);
});

test("with a running clock, a response is delayed in real time", async () => {
  const emulator = createEmulator({ clock: "running", baseUrl: "http://stripe.test" });
  const stripe = connect(emulator, "sk_test_123");
  await setFault(emulator, { path: "/v1/customers", answer: "delay", milliseconds: 30 });
  const begunAt = performance.now();
  await stripe.customers.list();
  expect(performance.now() - begunAt).toBeGreaterThanOrEqual(29);
});

/** Returns which of 40 requests fail. */
async function failures(emulator: Emulator): Promise<boolean[]> {
  const stripe = connect(emulator, "sk_test_123");
  const failed: boolean[] = [];
  for (let count = 0; count < 40; count += 1)
    failed.push(
      await stripe.customers.list().then(
        () => false,
        () => true,
      ),
    );
  return failed;
}

test("a fault with a probability affects a part of the requests, and equal seeds affect the same requests", async () => {
  const run = async (seed: number): Promise<boolean[]> => {
    const { emulator } = createSdk();
    await setFault(emulator, { answer: 500, path: "/v1/", probability: 0.25, times: 1_000, seed });
    return failures(emulator);
  };
  const first = await run(7);
  expect(first.filter(Boolean).length).toBeGreaterThan(3);
  expect(first.filter(Boolean).length).toBeLessThan(20);
  expect(await run(7)).toEqual(first);
  expect(await run(8)).not.toEqual(first);
});

test("a copy of the emulator continues the sequence of a fault with a probability", async () => {
  const { emulator } = createSdk();
  await setFault(emulator, { answer: 500, path: "/v1/", probability: 0.5, times: 1_000 });
  await failures(emulator);
  const copy = emulator.fork();
  expect(await failures(copy)).toEqual(await failures(emulator));
});

test("a delivery fault with a probability affects a part of the deliveries", async () => {
  const received: string[] = [];
  const emulator = createEmulator({
    baseUrl: "http://stripe.test",
    webhooks: [{ url: "http://app.test/hook", secret: "whsec_1" }],
    fetch: async (request) => {
      received.push(((await request.json()) as { id: string }).id);
      return new Response();
    },
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const stripe = connect(emulator, "sk_test_123");
  await setFault(emulator, { effect: "drop", probability: 0.5, times: 1_000 }, "faults/deliveries");
  for (let count = 0; count < 40; count += 1) await stripe.customers.create();
  await emulator.drain();
  expect(received.length).toBeGreaterThan(8);
  expect(received.length).toBeLessThan(32);
});

test.each([
  [{ answer: 500, probability: 0 }, "probability"],
  [{ answer: 500, probability: 1.5 }, "probability"],
  [{ answer: "delay", milliseconds: 0 }, "milliseconds"],
  [{ answer: "delay", milliseconds: 600_001 }, "milliseconds"],
  [{ answer: 500, seed: 0.5 }, "seed"],
] as const)("the fault %j is refused with the name of its wrong field", async (fault, field) => {
  const { emulator } = createSdk();
  const response = await setFault(emulator, fault);
  expect(response.status).toBe(400);
  expect(await response.text()).toContain(field);
});
