import { expect, test } from "vitest";
import { createKeyGuard } from "../../src/stripe/limits/operation-key.ts";

test("an unfinished write to Stripe does not block another write with the same idempotency key", async () => {
  const sent: string[] = [];
  const open = () =>
    createKeyGuard(
      async (_input, init) => {
        sent.push(new Headers(init?.headers).get("idempotency-key") ?? "");
        return new Response("{}");
      },
      () => 10,
    );
  const [gone, other] = [open(), open()];
  void gone.withKey({ value: "op_1", endsAt: 10 }, () => new Promise(() => {}));
  const write = ({ idempotencyKey }: { idempotencyKey: string }) =>
    other.fetch("https://api.stripe.com/v1/customers", { headers: { "Idempotency-Key": idempotencyKey } });
  expect((await other.withKey({ value: "op_1", endsAt: 20 }, write)).status).toBe(200);
  expect((await other.withKey({ value: "op_1", endsAt: 10 }, write)).status).toBe(503);
  expect(sent).toEqual(["op_1"]);
});
