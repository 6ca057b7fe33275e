/** Tests declined cards, 3-D Secure and failed renewals. */
import { describe, expect, test } from "vitest";
import { createKit } from "../support/kit.ts";

describe("a failed renewal", () => {
  test("starts a grace period that ends when the user pays, and calls the hook with a payment link", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ days: 28, hours: 2 });
    expect(await ada.subscriptions()).toMatchObject([
      {
        status: "past_due",
        latestInvoice: {
          outcome: "failed",
          message: expect.stringContaining("Your card was declined."),
          actionUrl: expect.stringContaining("/i/in_"),
        },
      },
    ]);
    expect(await ada.entitlements()).toMatchObject([{ reason: "past_due_grace" }, {}]);
    expect(billing.hooks.at(-1)).toMatchObject({
      hook: "onPaymentFailed",
      event: { owner: { id: "ada" }, message: expect.stringContaining("Your card was declined.") },
    });

    expect(await ada.payInvoice()).toEqual({ status: "paid" });
    expect(await ada.entitlements()).toMatchObject([{ reason: "active" }, {}]);
    expect(billing.hooks.at(-1)).toMatchObject({ hook: "onPaymentSucceeded", event: { owner: { id: "ada" } } });
  });

  test("ends access after the grace period without an event from Stripe, and ends the subscription after the last payment retry", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium");
    await ada.failPayments();
    await billing.advance({ days: 28, hours: 2 });
    expect(await ada.features()).not.toEqual([]);
    await billing.advance({ days: 7 });
    expect(await ada.features()).toEqual([]);
    const revoked = billing.hooks.filter(({ hook }) => hook === "onAccessRevoked");
    expect(revoked).toMatchObject([{ event: { owner: { id: "ada" } } }]);
    await billing.advance({ days: 10 });
    expect(await ada.subscriptions()).toMatchObject([{ status: "canceled" }]);
    expect(await ada.features()).toEqual([]);
    const failures = billing.hooks.flatMap(({ hook, event }) => (hook === "onPaymentFailed" ? [event.id] : []));
    expect(new Set(failures).size).toBe(failures.length);
    expect(failures.length).toBe(8);
  });
});

describe("a card that requires 3-D Secure", () => {
  test("is charged after the user has completed 3-D Secure", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium");
    expect(await checkout.pay("3ds")).toEqual({ status: "authentication_required" });
    expect(await ada.features()).toEqual([]);
    await ada.authenticate();
    expect(await ada.features()).toEqual(["exports", "priority_support"]);
  });

  test("gives no access after a failed authentication, and the checkout session accepts another card", async () => {
    const billing = await createKit();
    const ada = billing.user("ada");
    const checkout = await ada.checkout("premium");
    await checkout.pay("3ds");
    await ada.refuseAuthentication();
    expect(await ada.features()).toEqual([]);
    expect(await ada.checkout("premium")).toMatchObject({ sessionId: checkout.sessionId });
    expect(await checkout.pay("visa")).toEqual({ status: "paid" });
    expect(await ada.features()).toEqual(["exports", "priority_support"]);
  });

  test("causes a hook call to the app if a renewal requires authentication", async () => {
    const billing = await createKit();
    const ada = await billing.user("ada").subscribe("premium", { card: "3ds" });
    await billing.advance({ days: 28, hours: 2 });
    const asked = billing.hooks.flatMap(({ hook, event }) =>
      hook === "onPaymentActionRequired" ? [event.message] : [],
    );
    expect(asked).toEqual(["Your bank asks you to confirm this payment."]);
    expect(await ada.subscriptions()).toMatchObject([
      { status: "past_due", latestInvoice: { outcome: "action_required" } },
    ]);
  });
});

test("a user whose card is declined sees the reason, gets no access, and can pay with another card", async () => {
  const billing = await createKit();
  const ada = billing.user("ada");
  const checkout = await ada.checkout("premium");
  expect(await checkout.pay("insufficient_funds")).toEqual({
    status: "declined",
    message: "Your card has insufficient funds.",
  });
  expect(await ada.features()).toEqual([]);
  await ada.subscribe("premium");
  expect(await ada.features()).toEqual(["exports", "priority_support"]);
});
