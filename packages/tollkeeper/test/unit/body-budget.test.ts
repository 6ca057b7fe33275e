import { describe, expect, test } from "vitest";
import { createBodyBudget, type BodyAccount, type BodyBudget } from "../../src/http/body-budget.ts";
import { readBody } from "../../src/http/read-body.ts";

/** Opens an account and takes the given bytes. The returned list receives the account's name if its body is dropped. */
function hold(budget: BodyBudget, bytes: number, name = "", dropped: string[] = []): BodyAccount {
  const account = budget.open();
  account.onDropped = () => void dropped.push(name);
  account.take(bytes);
  return account;
}

describe("the budget for the bytes of bodies", () => {
  test("drops the largest arriving body if the bytes of all bodies exceed the limit", () => {
    const budget = createBodyBudget(100);
    const dropped: string[] = [];
    hold(budget, 30, "small", dropped);
    hold(budget, 60, "large", dropped);
    expect(dropped).toEqual([]);
    hold(budget, 11, "new", dropped);
    expect(dropped).toEqual(["large"]);
  });

  test("drops a new body that is larger than every other body", () => {
    const budget = createBodyBudget(100);
    const dropped: string[] = [];
    hold(budget, 40, "old", dropped);
    const account = budget.open();
    expect(account.take(70)).toBe(false);
    expect(dropped).toEqual([]);
  });

  test("does not drop a body that has arrived completely", () => {
    const budget = createBodyBudget(100);
    const dropped: string[] = [];
    hold(budget, 90, "complete", dropped).complete();
    expect(budget.open().take(20)).toBe(false);
    expect(budget.open().take(10)).toBe(true);
    expect(dropped).toEqual([]);
  });

  test("has room again after a body is closed, even if it is closed twice", () => {
    const budget = createBodyBudget(100);
    const account = hold(budget, 100);
    account.complete();
    account.close();
    account.close();
    expect(budget.open().take(100)).toBe(true);
    expect(budget.open().take(101)).toBe(false);
  });

  test("lets a small body through while slow senders hold large bodies", () => {
    const budget = createBodyBudget(1_000);
    const dropped: string[] = [];
    for (let at = 0; at < 50; at++) hold(budget, 100, "slow", dropped);
    const stripe = budget.open();
    stripe.onDropped = () => void dropped.push("stripe");
    expect(stripe.take(5)).toBe(true);
    expect(new Set(dropped)).toEqual(new Set(["slow"]));
  });
});

describe("the body of a request", () => {
  const request = (body: ReadableStream<Uint8Array>) =>
    new Request("http://app.test/", { method: "POST", body, duplex: "half" });

  test("is the same, in whatever pieces it arrives", async () => {
    const text = "größe € 🎉".repeat(20);
    const bytes = new TextEncoder().encode(text);
    for (const size of [1, 2, 3, 7, 100, bytes.byteLength]) {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, at) =>
        bytes.slice(at * size, (at + 1) * size),
      );
      const read = await readBody(request(ReadableStream.from(pieces)), bytes.length, createBodyBudget().open());
      expect(read.kind === "ok" && new TextDecoder().decode(read.bytes)).toBe(text);
    }
  });

  test("is not read to its end if it has no room", async () => {
    let sent = 0;
    const endless = new ReadableStream<Uint8Array>({
      pull(controller) {
        sent += 1_000;
        controller.enqueue(new Uint8Array(1_000));
      },
    });
    expect(await readBody(request(endless), 1_000_000, createBodyBudget(10_000).open())).toEqual({
      kind: "overloaded",
    });
    expect(sent).toBeLessThan(20_000);
  });

  test("is dropped while its sender is silent if other bodies need the room", async () => {
    const budget = createBodyBudget(100);
    const silent = new ReadableStream<Uint8Array>({
      start: (controller) => controller.enqueue(new Uint8Array(90)),
    });
    const account = budget.open();
    const reading = readBody(request(silent), 1_000, account);
    await new Promise((resolve) => setImmediate(resolve));
    expect(budget.open().take(20)).toBe(true);
    expect(await reading).toEqual({ kind: "overloaded" });
  });

  test("cannot be read a second time", async () => {
    const twice = new Request("http://app.test/", { method: "POST", body: "text" });
    await twice.text();
    expect(await readBody(twice, 1_000, createBodyBudget().open())).toEqual({ kind: "unreadable" });
  });
});
