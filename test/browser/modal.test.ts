import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { definePlans, type PlanInput } from "../../packages/tollkeeper/src/index.ts";
import { createTestHarness, DAY } from "../support/harness.ts";
import { launchBrowser } from "../support/browser.ts";
import { openModalPage, type ModalPageOptions } from "../support/modal-page.ts";
import { findSubscription } from "../support/stripe-subscription.ts";

/** The modal runs as built, in Chromium, with the real service and the emulator. */
let browser: Browser;
beforeAll(async () => {
  browser = await launchBrowser();
});
afterAll(() => browser.close());

const plan = (changes: Partial<PlanInput> = {}): PlanInput => ({
  id: "premium",
  name: "Premium",
  features: ["exports"],
  prices: [{ interval: "month", amount: 900, currency: "usd" }],
  ...changes,
});

async function open(options: Partial<ModalPageOptions> = {}, plans: readonly PlanInput[] = [plan()]) {
  const billing = await createTestHarness({ options: { plans: definePlans(plans) } });
  return { billing, ...(await openModalPage(browser, { fetch: billing.service.fetch, ...options })) };
}

const modal = (page: Page) => page.getByRole("dialog");
const choose = (page: Page, name = "Premium") => modal(page).getByRole("button", { name: `Get ${name}` });

describe("a person whose getToken", () => {
  test.each([
    ["rejects", "() => Promise.reject(new Error('login_required'))"],
    ["throws", "() => { throw new Error('login_required'); }"],
    ["returns null", "() => null"],
    ["returns undefined", "async () => undefined"],
    ["returns an empty text", '() => ""'],
    ["returns an object", "() => ({ id_token: 'x' })"],
    ["returns a text that no header can carry", '() => "läßt\\n"'],
    ["returns an expired token", '() => "invalid"'],
  ])("%s sees the plans, and must sign in to choose one", async (_name, getToken) => {
    const { page, show, events, complaints } = await open({ getToken });
    await show();
    await choose(page).click();
    await modal(page).getByRole("alert").getByText("Please sign in to continue.").waitFor();
    expect(await events()).toEqual(["tollkeeper-sign-in"]);
    expect(await choose(page).isEnabled()).toBe(true);
    expect(complaints).toEqual([]);
  });

  test("never settles gets an error after a minute, and can try again", async () => {
    const { page, show } = await open({ getToken: "() => (window.signedIn ? 'ada' : new Promise(() => {}))" });
    await page.clock.install();
    const shown = show();
    await modal(page).getByText("Loading plans…").waitFor();
    await page.clock.fastForward(61_000);
    await shown;
    await modal(page).getByText("Your sign-in took too long. Please try again.").waitFor();
    await page.evaluate("window.signedIn = true");
    await modal(page).getByRole("button", { name: "Try again" }).click();
    await choose(page).waitFor();
    expect(await modal(page).getByRole("alert").count()).toBe(0);
  });

  test("fails leaves its reason as the cause of the client's error", async () => {
    const { page } = await open({ getToken: "() => Promise.reject(new Error('login_required'))" });
    const cause = await page.evaluate(
      "window.modal.client.subscriptions().catch((error) => [error.code, error.cause.message])",
    );
    expect(cause).toEqual(["unauthenticated", "login_required"]);
  });
});

describe("the modal shows the plans, with prices in", () => {
  const dollars = plan({ prices: [{ interval: "month", amount: 123_456, currency: "usd" }] });
  const ENGLISH = "$1,234.56";
  const GERMAN = "1.234,56 $";

  test.each([
    ["en_US", ENGLISH],
    ["de_AT.UTF-8@euro", "$ 1.234,56"],
    ["", ENGLISH],
    ["../../etc", ENGLISH],
  ])("the page's language %j, as %s", async (lang, price) => {
    const { page, show, complaints } = await open({ lang }, [dollars]);
    await show();
    await choose(page).waitFor();
    const shown = await modal(page).locator(".price").innerText();
    expect(shown.replaceAll(/\s/g, " ")).toBe(`${price} per month`);
    expect(complaints).toEqual([]);
  });

  test("the page's language, if the modal's own attribute names no locale", async () => {
    const element = '<tollkeeper-premium-modal locale="nonsense!"></tollkeeper-premium-modal>';
    const { page, show } = await open({ lang: "de", element }, [dollars]);
    await show();
    expect((await modal(page).locator(".price").innerText()).replaceAll(/\s/g, " ")).toBe(`${GERMAN} per month`);
  });
});

describe("properties that are set before the element is defined", () => {
  test("stay, so that the modal has its client and its texts", async () => {
    const { page, show, complaints } = await open({
      beforeDefinition: 'modal.client = client; modal.messages = { heading: "Werde Premium" };',
    });
    expect(await page.evaluate("Object.keys(window.modal)")).toEqual([]);
    await show();
    await modal(page).getByRole("heading", { name: "Werde Premium" }).waitFor();
    await choose(page).waitFor();
    expect(complaints).toEqual([]);
  });

  test("stay also on an element that a script creates", async () => {
    const { page, show } = await open({
      element: "<main></main>",
      beforeDefinition: `
        const created = document.createElement("tollkeeper-premium-modal");
        created.client = client;
        document.querySelector("main").append(created);
        window.modal = created;`,
    });
    await show();
    await choose(page).waitFor();
    expect(await page.evaluate("Object.keys(window.modal)")).toEqual([]);
  });
});

test("a modal without a client stays closed, and the error names the property to set", async () => {
  const { page } = await open();
  const failure = await page.evaluate(
    "(window.modal.client = null, window.modal.show().catch((error) => error.message))",
  );
  expect(failure).toBe("The modal has no client. Set modal.client = createTollkeeperClient(…) first.");
  expect(await modal(page).count()).toBe(0);
});

test("a failed request that was sent before a newer one does not replace the newer view", async () => {
  const held: (() => void)[] = [];
  let holding = true;
  const { page, complaints } = await open({
    intercept: (request) => {
      if (!request.url.endsWith("/config") || !holding) return undefined;
      return new Promise((resolve) => {
        held.push(() => resolve(Response.json({ error: { code: "internal_error", message: "x" } }, { status: 500 })));
      });
    },
  });
  // Each opening of the modal has a client of its own, because a client remembers its configuration.
  await page.evaluate("void (window.first = window.modal.show())");
  await modal(page).getByText("Loading plans…").waitFor();
  await expect.poll(() => held.length).toBe(1);
  holding = false;
  await page.evaluate(`(async () => {
    const { createTollkeeperClient } = await import("/browser/index.js");
    window.modal.client = createTollkeeperClient({ getToken: () => null });
    await window.modal.show();
  })()`);
  await choose(page).waitFor();
  held[0]?.();
  await page.evaluate("window.first");
  expect(await choose(page).count()).toBe(1);
  expect(await modal(page).getByRole("alert").count()).toBe(0);
  expect(complaints).toEqual([]);
});

test("the modal loads its content again when the browser's back button shows the page from its cache", async () => {
  const { page, show, billing } = await open({ getToken: "() => 'ada'" });
  await show();
  await choose(page).click();
  await modal(page).getByText("Taking you to the secure checkout…").waitFor();
  await billing.subscribe("ada");
  await page.evaluate('dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }))');
  await modal(page).getByRole("heading", { name: "You have Premium" }).waitFor();
  expect(await modal(page).getByText("Taking you to the secure checkout…").count()).toBe(0);
});

test("while a checkout is being opened, neither another plan nor another interval can be chosen", async () => {
  let answer: (() => void) | undefined;
  const prices = [
    { interval: "month" as const, amount: 900, currency: "usd" },
    { interval: "year" as const, amount: 9_000, currency: "usd" },
  ];
  const { page, show } = await open(
    {
      getToken: "() => 'ada'",
      intercept: (request) =>
        request.url.endsWith("/create-checkout-session")
          ? new Promise((resolve) => {
              answer = () =>
                resolve(Response.json({ sessionId: "cs_1", url: "https://checkout.test/1", expiresAt: 1 }));
            })
          : undefined,
    },
    [plan({ prices }), plan({ id: "team", name: "Team" })],
  );
  await show();
  await choose(page).click();
  await expect.poll(() => answer !== undefined).toBe(true);
  expect(await choose(page, "Team").isDisabled()).toBe(true);
  expect(await modal(page).getByRole("radio", { name: "Yearly" }).isDisabled()).toBe(true);
  answer?.();
  await modal(page).getByText("Taking you to the secure checkout…").waitFor();
  expect(await page.evaluate("window.went")).toBe("https://checkout.test/1");
});

describe.each([
  ["wide", { width: 1280, height: 720 }],
  ["narrow", { width: 320, height: 568 }],
])("in a %s window", (_name, viewport) => {
  const LONG = "Donaudampfschifffahrtsgesellschaftskapi";

  test("long words stay within their card and within the dialog", async () => {
    const { page, show } = await open({ viewport }, [
      plan({ name: LONG, description: LONG.repeat(3), features: [{ id: "exports", name: LONG.repeat(2) }] }),
      plan({ id: "team", name: "Team" }),
      plan({ id: "max", name: "Max" }),
    ]);
    await show();
    await choose(page, LONG).waitFor();
    const overflowing = await page.evaluate(`[...window.modal.shadowRoot.querySelectorAll("*")]
      .filter((element) => element.clientWidth > 0 && element.scrollWidth > element.clientWidth + 1)
      .map((element) => element.localName)`);
    expect(overflowing).toEqual([]);
    const cards = await page.evaluate(`[...window.modal.shadowRoot.querySelectorAll(".plan")].flatMap((card) => {
      const { left, right } = card.getBoundingClientRect();
      return [...card.querySelectorAll("*")].filter((inner) => {
        const box = inner.getBoundingClientRect();
        return box.left < left - 1 || box.right > right + 1;
      }).map((inner) => inner.localName);
    })`);
    expect(cards).toEqual([]);
  });

  test.each([0, 4])("an error is visible at once after the choice of plan %d of five", async (index) => {
    const plans = [1, 2, 3, 4, 5].map((n) =>
      plan({ id: `plan${n}`, name: `Plan ${n}`, features: ["a", "b", "c", "d", "e", "f"] }),
    );
    const { page, show } = await open({ viewport }, plans);
    await show();
    await choose(page, `Plan ${index + 1}`).click();
    const alert = modal(page).getByRole("alert");
    await alert.waitFor();
    const box = await alert.boundingBox();
    expect(box && box.y >= 0 && box.y + box.height <= viewport.height).toBe(true);
    const covered = await page.evaluate(`(() => {
      const { left, top, width, height } = window.modal.shadowRoot.querySelector(".alert").getBoundingClientRect();
      return window.modal.shadowRoot.elementFromPoint(left + width / 2, top + height / 2).className;
    })()`);
    expect(covered).toBe("alert");
  });
});

describe("a user", () => {
  const TRIAL = plan({
    prices: [
      { interval: "month", amount: 900, currency: "usd", trialDays: 14 },
      { interval: "year", amount: 9_000, currency: "usd" },
    ],
  });
  const ADA = { getToken: "() => 'ada'" };

  test("sees the trial before it was used, and only the price afterwards", async () => {
    const { page, show, billing } = await open(ADA, [TRIAL]);
    await show();
    await choose(page).waitFor();
    expect(await modal(page).innerText()).toContain("14 days free, then");
    await billing.subscribe("ada");
    await billing.call("ada", "POST", "cancel-subscription", {});
    await billing.advance(15 * DAY);
    await show();
    await choose(page).waitFor();
    expect(await modal(page).innerText()).not.toContain("free");
    expect(await modal(page).innerText()).toContain("Your subscription ended on February 14, 2026.");
  });

  test("with a subscription sees the current plan and its other interval, and can go back", async () => {
    const { page, show, billing } = await open(ADA, [TRIAL, plan({ id: "team", name: "Team" })]);
    await billing.subscribe("ada");
    await show();
    await modal(page).getByText("Free trial until").waitFor();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    await modal(page).getByText("Your current plan").waitFor();
    expect(await modal(page).getByRole("button", { name: "Change to Team" }).isVisible()).toBe(true);
    await modal(page).getByText("Yearly").click();
    await modal(page).getByRole("button", { name: "Change to Premium" }).waitFor();
    await modal(page).getByRole("button", { name: "Go back" }).click();
    await modal(page).getByText("Free trial until").waitFor();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    await modal(page).getByRole("button", { name: "Change to Team" }).click();
    await page.waitForFunction("window.went?.includes('/p/session/')");
  });

  test("whose payment failed sees what is due, the next try, the end of access and where to pay", async () => {
    const { page, show, billing } = await open(ADA);
    await billing.subscribe("ada");
    const { id, customer } = await findSubscription(billing);
    const method = await billing.stripe("POST", "/v1/payment_methods/pm_card_chargeCustomerFail/attach", { customer });
    await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      default_payment_method: String(method.body["id"]),
    });
    await billing.advance(29 * DAY);
    await show();
    await modal(page).getByRole("heading", { name: "You have Premium" }).waitFor();
    const alert = await modal(page).getByRole("alert").innerText();
    expect(alert).toMatch(
      /^Your payment of \$9 did not go through\. Your card was declined\. We will try again on .+2026\. You keep everything until March 7, 2026\.$/,
    );
    const pay = modal(page).getByRole("link", { name: "Pay now" });
    expect(await pay.getAttribute("href")).toMatch(/^http:\/\/stripe\.test\//);
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByText("Your subscription will not renew. The open payment of $9 stays due.").waitFor();

    await billing.advance(8 * DAY);
    await show();
    await modal(page).getByRole("heading", { name: "Premium is not active" }).waitFor();
    expect(await modal(page).getByRole("alert").innerText()).toContain("You have no access at the moment.");
  });

  test("with five seats sees the total and the price of one seat", async () => {
    const { page, show, billing } = await open(ADA);
    await billing.subscribe("ada");
    const { id, items } = await findSubscription(billing);
    await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": items.data[0]?.id ?? "",
      "items[0][quantity]": "5",
    });
    await billing.drain();
    await show();
    await modal(page).getByText("$45 per month for 5 seats at $9 each").waitFor();
    expect(await modal(page).innerText()).toContain("visa •••• 4242");
  });

  test("with two live subscriptions sees both, and cancels one of them", async () => {
    const plans = [plan(), plan({ id: "storage", name: "Storage", group: "extras" })];
    const { page, show, billing, events } = await open(ADA, plans);
    await billing.subscribe("ada", "premium");
    await billing.subscribe("ada", "storage");
    await show();
    await modal(page).getByRole("heading", { name: "Your subscriptions" }).waitFor();
    const storage = modal(page).getByRole("region", { name: "You have Storage" });
    await storage.getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByRole("heading", { name: "Cancel Storage?" }).waitFor();
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await storage.getByText("Ends on").waitFor();
    await modal(page).getByRole("region", { name: "You have Premium" }).getByText("Renews on").waitFor();
    expect(await events()).toEqual(["tollkeeper-change"]);
  });

  test.each([
    ["a payment", plan(), "Your payment went through, and everything is unlocked."],
    [
      "the start of a trial",
      TRIAL,
      "Your trial has begun. It is free until February 14, 2026, then $9 per month. You can cancel at any time.",
    ],
  ])("reads the outcome after the return from a checkout with %s", async (_name, sold, text) => {
    const { page, billing } = await open(ADA, [sold]);
    const { body } = await billing.call("ada", "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    const id = String(body["sessionId"]);
    await billing.stripe("POST", `/v1/payment_pages/${id}/confirm`, { payment_method: "pm_card_visa" });
    await page.evaluate(`(async () => {
      history.replaceState(null, "", "/?session_id=${id}");
      window.modal.showSuccess(await window.modal.client.handleReturn());
    })()`);
    await modal(page).getByRole("heading", { name: "Welcome to Premium" }).waitFor();
    expect(await modal(page).getByRole("status").innerText()).toBe(text);
  });

  test("whose payments are paused, and whose subscription the seller ends later, reads when access ends", async () => {
    const { page, show, billing } = await open(ADA);
    await billing.subscribe("ada");
    const { id } = await findSubscription(billing);
    await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      "pause_collection[behavior]": "void",
      cancel_at: String(billing.emulator.now() / 1000 + 200 * DAY),
      proration_behavior: "none",
    });
    await billing.drain();
    await show();
    const status = modal(page).getByRole("status");
    expect(await status.innerText()).toBe(
      "Payments are paused. You keep everything until February 28, 2026. Your subscription ends on August 19, 2026.",
    );
    await billing.advance(40 * DAY);
    await show();
    await modal(page).getByText("You have no access at the moment.").waitFor();
    expect(await status.innerText()).toBe("Payments are paused. Your subscription ends on August 19, 2026.");
  });

  test("sees the own price of the current plan, even if the plan is sold at another price now", async () => {
    const { page, show, billing } = await open(ADA, [plan(), plan({ id: "team", name: "Team" })]);
    await billing.subscribe("ada");
    const { id, items } = await findSubscription(billing);
    const [item] = items.data;
    await billing.stripe("POST", `/v1/subscriptions/${id}`, {
      "items[0][id]": item?.id ?? "",
      "items[0][quantity]": "2",
      "items[0][price_data][currency]": "usd",
      "items[0][price_data][product]": item?.price.product ?? "",
      "items[0][price_data][unit_amount]": "1900",
      "items[0][price_data][recurring][interval]": "month",
    });
    await billing.drain();
    await show();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    const current = modal(page).getByRole("region", { name: "Premium" });
    await current.getByText("Your current plan").waitFor();
    expect(await current.locator(".price").innerText()).toBe("$38 per month for 2 seats at $19 each");
    expect(await modal(page).getByRole("region", { name: "Team" }).locator(".price").innerText()).toBe("$9 per month");
  });

  test.each([
    ["the same part", 18_000, "Yearly (save 16%)"],
    ["different parts", 23_000, "Yearly (save up to 16%)"],
  ])("reads what yearly payments save if the plans save %s", async (_name, amount, text) => {
    const yearly = (month: number, year: number) => [
      { interval: "month" as const, amount: month, currency: "usd" },
      { interval: "year" as const, amount: year, currency: "usd" },
    ];
    const { page, show } = await open({}, [
      plan({ prices: yearly(900, 9_000) }),
      plan({ id: "team", name: "Team", prices: yearly(1_800, amount) }),
    ]);
    await show();
    await choose(page).waitFor();
    expect(await modal(page).getByRole("group").innerText()).toContain(text);
  });

  test("reads that a subscription has ended, if the address of its old checkout is opened again", async () => {
    const { page, billing } = await open(ADA);
    const { body } = await billing.call("ada", "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    const id = String(body["sessionId"]);
    await billing.stripe("POST", `/v1/payment_pages/${id}/confirm`, { payment_method: "pm_card_visa" });
    await billing.drain();
    await billing.call("ada", "POST", "cancel-subscription", {});
    await billing.advance(40 * DAY);
    await page.evaluate(`(async () => {
      history.replaceState(null, "", "/?session_id=${id}");
      window.modal.showSuccess(await window.modal.client.handleReturn());
    })()`);
    await modal(page).getByRole("heading", { name: "Premium is not active" }).waitFor();
    expect(await modal(page).getByRole("status").innerText()).toBe("Your subscription ended on February 28, 2026.");
    await modal(page).getByRole("button", { name: "Done" }).click();
    expect(await modal(page).count()).toBe(0);
  });

  test("can choose a plan again after the return from a checkout that is not complete", async () => {
    const { page, billing } = await open(ADA);
    const { body } = await billing.call("ada", "POST", "create-checkout-session", {
      plan: "premium",
      interval: "month",
    });
    await page.evaluate(`(async () => {
      history.replaceState(null, "", "/?session_id=${String(body["sessionId"])}");
      window.modal.showSuccess(await window.modal.client.handleReturn());
    })()`);
    await modal(page).getByText("Nothing was charged. You can choose a plan again.").waitFor();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    await choose(page).waitFor();
    expect(await modal(page).getByRole("heading").first().innerText()).toBe("Go Premium");
  });

  test("with a subscription sees it after the return from another checkout that is not complete", async () => {
    const plans = [plan(), plan({ id: "storage", name: "Storage", group: "extras" })];
    const { page, billing } = await open(ADA, plans);
    await billing.subscribe("ada", "premium");
    const { body } = await billing.call("ada", "POST", "create-checkout-session", {
      plan: "storage",
      interval: "month",
    });
    await page.evaluate(`(async () => {
      history.replaceState(null, "", "/?session_id=${String(body["sessionId"])}");
      window.modal.showSuccess(await window.modal.client.handleReturn());
    })()`);
    await modal(page).getByText("Nothing was charged. You can choose a plan again.").waitFor();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    await modal(page).getByRole("heading", { name: "You have Premium" }).waitFor();
    await modal(page).getByRole("button", { name: "See all plans" }).click();
    await choose(page, "Storage").waitFor();
    await modal(page).getByRole("button", { name: "Go back" }).click();
    await modal(page).getByText("Renews on").waitFor();
    expect(await modal(page).getByRole("heading").first().innerText()).toBe("You have Premium");
  });
});
