import type { Browser, Page, Route } from "playwright-core";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { launchBrowser } from "../support/browser.ts";
import { startTestDemo, type TestDemo } from "../support/demo.ts";

const PATIENCE_MS = 5_000;

let browser: Browser;
let demo: TestDemo;

beforeAll(async () => {
  [browser, demo] = await Promise.all([launchBrowser(), startTestDemo()]);
});
afterAll(async () => {
  await browser.close();
  await demo.remove();
});

let visits = 0;

/** Opens the demo's page for a new user, and records the errors of the page. */
async function visit(options: { colorScheme?: "dark"; viewport?: { width: number; height: number } } = {}) {
  const context = await browser.newContext({ baseURL: demo.url, ...options });
  context.setDefaultTimeout(PATIENCE_MS);
  onTestFinished(() => context.close());
  const user = `visitor-${++visits}`;
  // Signs in a user of this test through the sign-in of the demo's page.
  await context.route("**/demo/token", async (route) => {
    const response = await route.fetch({ postData: JSON.stringify({ userId: user, email: `${user}@example.com` }) });
    await route.fulfill({ response });
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto("/");
  await page.getByText("You use Fieldnotes for free.").waitFor();
  return { page, complaints, user };
}

/** Sends a request to the emulator's API, as Stripe's dashboard does. */
async function call(path: string, form?: Record<string, string>) {
  const response = await fetch(`${demo.emulatorUrl}/v1/${path}`, {
    headers: { authorization: "Bearer sk_test_demo" },
    ...(form && { method: "POST", body: new URLSearchParams(form) }),
  });
  expect(response.status).toBe(200);
  return (await response.json()) as { id: string; data: { id: string; customer: string }[] };
}

/** Returns the ids of the user's customer and of the newest subscription and charge. */
async function findIds(user: string) {
  const customer = (await call(`customers?email=${user}@example.com`)).data[0]?.id ?? "";
  const [subscription = "", charge = ""] = await Promise.all(
    ["subscriptions", "charges"].map(async (list) => (await call(`${list}?customer=${customer}`)).data[0]?.id),
  );
  return { customer, subscription, charge };
}

/** Sets another card for the user's subscription, as in Stripe's dashboard. */
async function chargeNextTo(user: string, card: string): Promise<void> {
  const { customer, subscription } = await findIds(user);
  const method = await call(`payment_methods/${card}/attach`, { customer });
  await call(`subscriptions/${subscription}`, { default_payment_method: method.id });
}

/** Moves the emulator's clock without the page. */
async function moveClock(days: number): Promise<void> {
  const response = await fetch(`${demo.emulatorUrl}/_emulator/clock/advance`, {
    method: "POST",
    body: JSON.stringify({ seconds: days * 86_400 }),
  });
  expect(response.status).toBe(200);
}

const modal = (page: Page) => page.getByRole("dialog");
const unlocked = (page: Page) => page.locator('[data-feature="exports"]').getAttribute("data-unlocked");

async function goToCheckout(page: Page, plan = "Premium"): Promise<void> {
  await page.getByRole("button", { name: "Go Premium" }).click();
  await modal(page)
    .getByRole("button", { name: `Get ${plan}` })
    .click();
  await page.waitForURL(/\/c\/pay\//);
}

async function pay(page: Page, number: string): Promise<void> {
  await page.getByLabel("Card number").fill(number);
  await page.getByTestId("pay").click();
}

async function subscribe(page: Page): Promise<void> {
  await goToCheckout(page);
  await pay(page, "4242 4242 4242 4242");
  await modal(page).getByText("Welcome to Premium").waitFor();
  await modal(page).getByRole("button", { name: "Done" }).click();
}

async function advance(page: Page, label: string): Promise<void> {
  const moved = page.waitForResponse(/clock\/advance/);
  await page.getByRole("button", { name: label }).click();
  await moved;
  await page.waitForLoadState("networkidle");
}

describe("the demo in a browser", () => {
  test("a user who pays with the card 4242 returns with access and without the session id in the address", async () => {
    const { page, complaints } = await visit();
    expect(await unlocked(page)).toBe("false");
    await subscribe(page);
    expect(new URL(page.url()).search).toBe("");
    expect(await unlocked(page)).toBe("true");
    await page.locator('[data-feature="exports"]').click();
    await page.getByText("On the habit of notes,412").waitFor();
    await page.reload();
    await page.getByText("Renews").waitFor();
    expect(complaints).toEqual([]);
  });

  test("the form shows why a card was declined, and accepts another card", async () => {
    const { page } = await visit();
    await goToCheckout(page);
    await pay(page, "4000000000009995");
    expect(await page.getByRole("alert").textContent()).toBe("Your card has insufficient funds.");
    await pay(page, "4242424242424242");
    await modal(page).getByText("Welcome to Premium").waitFor();
  });

  test("a user who completes 3-D Secure has paid", async () => {
    const { page } = await visit();
    await goToCheckout(page);
    await pay(page, "4000002760003184");
    await page.getByTestId("authenticate").click();
    await modal(page).getByText("Welcome to Premium").waitFor();
    expect(await unlocked(page)).toBe("true");
  });

  test("a user who fails 3-D Secure returns to the card form with the reason, and has no access", async () => {
    const { page } = await visit();
    await goToCheckout(page);
    await pay(page, "4000002760003184");
    await page.getByTestId("fail").click();
    expect(await page.getByRole("alert").textContent()).toContain("unable to authenticate");
    await page.getByTestId("back").click();
    await page.getByText("You use Fieldnotes for free.").waitFor();
    expect(await unlocked(page)).toBe("false");
  });

  test("a user who leaves the checkout can later continue the checkout session", async () => {
    const { page } = await visit();
    await goToCheckout(page);
    const first = page.url();
    await page.getByTestId("back").click();
    await goToCheckout(page);
    expect(page.url()).toBe(first);
  });

  test("a user who cancels has access until the period ends, and can undo the cancellation until the period ends", async () => {
    const { page, complaints } = await visit();
    await subscribe(page);
    await page.getByRole("button", { name: "Your plan", exact: true }).click();
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByLabel("What made you decide?").selectOption("unused");
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByText("You keep everything until then.").waitFor();
    await modal(page).getByRole("button", { name: "Keep my subscription" }).click();
    await modal(page).getByText("Renews on").waitFor();
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByRole("button", { name: "Cancel subscription" }).click();
    await modal(page).getByText("Ends on").waitFor();
    await page.keyboard.press("Escape");
    expect(await unlocked(page)).toBe("true");
    await advance(page, "+ 1 week");
    expect(await unlocked(page)).toBe("true");
    await advance(page, "+ 31 days");
    await page.getByText("You use Fieldnotes for free.").waitFor();
    expect(await unlocked(page)).toBe("false");
    expect(complaints).toEqual([]);
  });

  test("the page shows a cancellation that the user made in the portal when the user returns", async () => {
    const { page } = await visit();
    await subscribe(page);
    await page.getByRole("button", { name: "Manage billing" }).click();
    await page.getByTestId("cancel-open").click();
    await page.getByTestId("cancel").click();
    expect(await page.getByTestId("state").textContent()).toContain("Ends on");
    await page.getByTestId("return").click();
    await page.locator("#subscription").getByText("Ends on").waitFor();
  });

  test("the page shows a failed renewal, and the user can pay with another card", async () => {
    const { page, user } = await visit();
    await subscribe(page);
    await chargeNextTo(user, "pm_card_chargeCustomerFail");
    await advance(page, "+ 31 days");
    await advance(page, "+ 1 day");
    const notice = page.locator("#notice");
    await notice
      .getByText(/^Your payment of \$9 did not go through\. Your card was declined\. We will try again on /)
      .waitFor();
    expect(await page.locator("#subscription").innerText()).not.toContain("did not go through");
    expect(await unlocked(page)).toBe("true");
    await page.getByRole("link", { name: "Pay now" }).click();
    await pay(page, "4242424242424242");
    expect(await page.getByTestId("invoice-status").textContent()).toBe("paid");
    await expect
      .poll(async () => {
        await page.goto("/");
        await page.getByText("Renews").waitFor();
        return notice.isVisible();
      })
      .toBe(false);
    expect(await unlocked(page)).toBe("true");
  });
});

describe("the demo's page", () => {
  const hooks = (page: Page) => page.locator("#hooks");
  const failWith503 = (route: Route) =>
    route.fulfill({
      status: 503,
      json: { error: { code: "down", message: "The demo is restarting.", requestId: "req_1" } },
    });

  test("shows a hook that runs later without a reload, and the account after it", async () => {
    const { page, user } = await visit();
    await subscribe(page);
    await hooks(page).getByText(`${user}: exports`).waitFor();
    await chargeNextTo(user, "pm_card_chargeCustomerFail");
    // The clock is moved outside the page, as in another tab.
    await moveClock(45);
    await hooks(page).locator("li", { hasText: "onAccessRevoked" }).filter({ hasText: user }).waitFor();
    await page.getByText("You use Fieldnotes for free.").waitFor();
    expect(await unlocked(page)).toBe("false");
  });

  test("shows changes that run no hook without a reload, in sentences that are true for the status", async () => {
    const { page, user } = await visit();
    await subscribe(page);
    const { customer, subscription } = await findIds(user);
    const shown = page.locator("#subscription");
    await call(`subscriptions/${subscription}`, { cancel_at_period_end: "true" });
    await shown.getByText("You keep everything until then.").waitFor();
    await call(`subscriptions/${subscription}`, {
      cancel_at_period_end: "false",
      "pause_collection[behavior]": "void",
    });
    await shown.getByText("Payments are paused. You keep everything until").waitFor();
    expect(await shown.innerText()).not.toContain("Renews");
    const prices = (await call("prices?lookup_keys[]=studio_month")).data;
    const { id: method } = await call("payment_methods/pm_card_visa/attach", { customer });
    await call("subscriptions", {
      customer,
      "items[0][price]": prices[0]?.id ?? "",
      default_payment_method: method,
    });
    await shown.getByText("Studio", { exact: true }).waitFor();
    expect(await shown.innerText()).toContain("Premium");
    expect(await page.locator("#badge").innerText()).toBe("Studio, Premium");
  });

  test("shows the hooks of a refund and of a dispute, and why the access is lost", async () => {
    const { page, user } = await visit();
    await subscribe(page);
    const { charge } = await findIds(user);
    await call("refunds", { charge, amount: "400" });
    await hooks(page).getByText(`${user}: 4.00 USD refunded`).waitFor();
    const response = await fetch(`${demo.emulatorUrl}/_emulator/disputes`, {
      method: "POST",
      body: JSON.stringify({ charge }),
    });
    expect(response.status).toBe(200);
    await hooks(page).locator("li", { hasText: "onDispute" }).filter({ hasText: user }).waitFor();
    await page.locator("#notice").getByText("Your bank disputes a payment.").waitFor();
    expect(await unlocked(page)).toBe("false");
  });

  test("shows the hook of a trial that starts", async () => {
    const { page, user } = await visit();
    await goToCheckout(page, "Studio");
    await pay(page, "4242 4242 4242 4242");
    await modal(page).getByText("Your trial has begun.").waitFor();
    await hooks(page).locator("li", { hasText: "onTrialStarted" }).filter({ hasText: user }).waitFor();
    expect(await page.locator("#badge").innerText()).toBe("Studio");
  });

  test.each([
    ["**/demo/token", "#account-error"],
    ["**/stripe/subscriptions", "#account-error"],
    ["**/stripe/entitlements", "#account-error"],
    ["**/demo/panel", "#panel-error"],
  ])("shows an error where a load of %s fails, and recovers after a click on Try again", async (path, place) => {
    const { page } = await visit();
    let isDown = true;
    await page.route(path, (route) => (isDown ? failWith503(route) : route.fallback()));
    await page.reload();
    const error = page.locator(place);
    await error.getByRole("button", { name: "Try again" }).waitFor();
    expect(await error.locator("p").textContent()).toContain("The demo is restarting.");
    isDown = false;
    await error.getByRole("button", { name: "Try again" }).click();
    await error.waitFor({ state: "hidden" });
    await page.getByText("You use Fieldnotes for free.").waitFor();
    expect(await page.locator("#tools li").count()).toBe(3);
    expect(await page.locator("#now").textContent()).toMatch(/\d{4}/);
  });

  test("recovers without a click after the demo was unreachable", async () => {
    const { page } = await visit();
    await page.route(/\/(demo|stripe)\//, (route) => route.abort());
    await page.reload();
    await page.locator("#account-error").getByText("The demo does not respond.").waitFor();
    await page.locator("#tools-error").getByText("The demo does not respond.").waitFor();
    await page.unrouteAll();
    await page.getByText("You use Fieldnotes for free.").waitFor({ timeout: 15_000 });
    expect(await page.locator("#tools li").count()).toBe(3);
    for (const place of ["account", "tools", "panel"])
      await page.locator(`#${place}-error`).waitFor({ state: "hidden" });
  });

  test("shows why the clock did not move, and lets the user try again", async () => {
    const { page } = await visit();
    const button = page.getByRole("button", { name: "+ 1 day" });
    const answers = [failWith503, (route: Route) => route.abort(), (route: Route) => route.fulfill({ status: 500 })];
    const reasons = ["The demo is restarting.", "The demo does not respond.", "The demo responded with status 500."];
    for (const [at, answer] of answers.entries()) {
      await page.route("**/demo/clock/advance", answer, { times: 1 });
      await button.click();
      await page.locator("#clock-error").getByText(`The clock did not move. ${reasons[at]}`).waitFor();
      expect(await button.isEnabled()).toBe(true);
    }
    await button.click();
    await page.locator("#clock-error").waitFor({ state: "hidden" });
  });

  test("shows why a tool or the billing page did not open", async () => {
    const { page } = await visit();
    await subscribe(page);
    await page.route("**/demo/export", failWith503);
    await page.locator('[data-feature="exports"]').click();
    await page.locator("#tools-error").getByText("Export to CSV: The demo is restarting.").waitFor();
    await page.route("**/stripe/create-portal-session", failWith503);
    const manage = page.getByRole("button", { name: "Manage billing" });
    await manage.click();
    await page.locator("#subscription").getByRole("alert").waitFor();
    expect(await manage.isEnabled()).toBe(true);
  });

  test("shows only the account of the chosen user, even if the response about another user is slow", async () => {
    const { page, user } = await visit();
    await subscribe(page);
    const held: (() => void)[] = [];
    let isSlow = true;
    await page.route("**/stripe/entitlements", async (route) => {
      if (isSlow) await new Promise<void>((resolve) => held.push(resolve));
      await route.fallback();
    });
    await page.reload();
    await expect.poll(() => held.length).toBeGreaterThan(0);
    isSlow = false;
    await page.route("**/demo/token", async (route) => {
      const response = await route.fetch({ postData: JSON.stringify({ userId: `${user}-other`, email: null }) });
      await route.fulfill({ response });
    });
    await page.getByLabel("Signed in as").selectOption("Grace");
    await page.getByText("You use Fieldnotes for free.").waitFor();
    for (const release of held) release();
    await page.waitForLoadState("networkidle");
    expect(await unlocked(page)).toBe("false");
  });

  test("verifies a purchase again after the first verification failed", async () => {
    const { page } = await visit();
    await goToCheckout(page);
    let isDown = true;
    await page.route("**/stripe/checkout-session?**", (route) => (isDown ? failWith503(route) : route.fallback()));
    await pay(page, "4242 4242 4242 4242");
    const error = page.locator("#return-error");
    await error.getByText("Your purchase could not be checked.").waitFor();
    isDown = false;
    await error.getByRole("button", { name: "Try again" }).click();
    await modal(page).getByText("Welcome to Premium").waitFor();
    expect(await error.isVisible()).toBe(false);
    expect(await unlocked(page)).toBe("true");
  });
});

describe("the modal dialog for plans", () => {
  test("traps the keyboard focus while it is open, and returns the focus when it closes", async () => {
    const { page } = await visit();
    const opener = page.getByRole("button", { name: "Go Premium" });
    await opener.focus();
    await page.keyboard.press("Enter");
    await modal(page).getByRole("button", { name: "Get Premium" }).waitFor();
    for (let presses = 0; presses < 12; presses++) {
      await page.keyboard.press("Tab");
      const inside = await page.evaluate(() => {
        const active = document.activeElement;
        return active === document.body || active?.tagName === "TOLLKEEPER-PREMIUM-MODAL";
      });
      expect(inside).toBe(true);
    }
    await page.keyboard.press("Escape");
    expect(await opener.evaluate((element) => element === document.activeElement)).toBe(true);
  });

  test("has an accessible name, and lets the user switch between prices with the arrow keys", async () => {
    const { page } = await visit();
    await page.getByRole("button", { name: "Go Premium" }).click();
    await page.getByRole("dialog", { name: "Go Premium" }).waitFor();
    await modal(page).getByText("$9", { exact: false }).first().waitFor();
    await modal(page).getByRole("radio", { name: "Monthly" }).focus();
    await page.keyboard.press("ArrowRight");
    await modal(page).getByText("$90").waitFor();
    expect(
      await modal(page)
        .getByRole("radio", { name: /Yearly \(save 16%\)/ })
        .isChecked(),
    ).toBe(true);
  });

  test("shows an error if its first request fails, and the user can try again", async () => {
    const { page } = await visit();
    await page.route("**/stripe/subscriptions", (route) => route.abort());
    await page.getByRole("button", { name: "Go Premium" }).click();
    expect(await modal(page).getByRole("alert").textContent()).toBe(
      "You seem to be offline. Check your connection and try again.",
    );
    await page.unroute("**/stripe/subscriptions");
    await modal(page).getByRole("button", { name: "Try again" }).click();
    await modal(page).getByRole("button", { name: "Get Premium" }).waitFor();
  });

  test("shows plan names that contain markup as plain text", async () => {
    const { page } = await visit();
    await page.route("**/stripe/offer", async (route) => {
      const response = await route.fetch();
      const offer = (await response.json()) as { plans: { name: string; featureNames: Record<string, string> }[] };
      for (const plan of offer.plans) plan.name = '<img src=x onerror="window.hacked = true">';
      await route.fulfill({ response, json: offer });
    });
    await page.getByRole("button", { name: "Go Premium" }).click();
    await modal(page).getByText("<img src=x").first().waitFor();
    expect(await page.evaluate(() => "hacked" in window)).toBe(false);
  });

  test("fits on a narrow screen", async () => {
    const { page } = await visit({ viewport: { width: 340, height: 640 } });
    await page.getByRole("button", { name: "Go Premium" }).click();
    await modal(page).getByRole("button", { name: "Get Premium" }).waitFor();
    const overflow = await page.evaluate(
      () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
    );
    expect(overflow).toBeLessThanOrEqual(0);
    const box = await modal(page).boundingBox();
    expect(box?.width).toBeLessThanOrEqual(340);
  });
});
