/** Tests the viewer's pages of objects and requests, its search box, and its controls. */
import { expect, test } from "vitest";
import { START, checkout, open, pay, subscribe, textOf } from "./support.ts";

test("the search box finds an object, an event, a delivery and a request by ID, and other objects by a part of a text", async () => {
  const { page, stripe, emulator } = await open();
  const { customer, subscription } = await subscribe(stripe);
  await emulator.drain();
  const search = async (text: string) => {
    await page.getByRole("searchbox").fill(text);
    await page.getByRole("searchbox").press("Enter");
    await page.getByRole("searchbox").waitFor();
    return page.locator("h1").innerText();
  };
  await page.goto("/");
  expect(await search(customer.id)).toBe(`customer ${customer.id}`);
  const event = emulator.events().at(-1);
  expect(await search(event?.id ?? "")).toBe(`event ${event?.id}`);
  const delivery = emulator.deliveries()[0];
  expect(await search(delivery?.id ?? "")).toBe(`event ${delivery?.eventId}`);
  expect(await search(customer.lastResponse.requestId)).toBe("POST /v1/customers");
  expect(await search(subscription.items.data[0]?.id ?? "")).toMatch(/^Search for/);
  expect(await textOf(page, "results")).toContain(subscription.id);
  await search("ADA@example");
  expect(await textOf(page, "results")).toContain(customer.id);
  await search("no such text");
  expect(await textOf(page, "no-results")).toBe("Nothing in the emulator contains this text.");
});

test("the page of an object links to the objects that it names and to the objects that name it", async () => {
  const { page, stripe, emulator } = await open();
  const { customer, subscription, price } = await subscribe(stripe);
  await emulator.drain();
  await page.goto(`/_viewer/search?q=${subscription.id}`);
  expect(await textOf(page, "timer")).toContain("Next: invoice upcoming");
  expect(await textOf(page, "named")).toContain(price.id);
  expect(await textOf(page, "events")).toContain("customer.subscription.created");
  await page
    .getByTestId("naming")
    .getByRole("link", { name: subscription.latest_invoice as string })
    .click();
  await page
    .getByTestId("object")
    .getByRole("link", { name: `"${customer.id}"` })
    .first()
    .click();
  expect(await page.locator("h1").innerText()).toBe(`customer ${customer.id}`);
});

test("objects of two accounts with the same ID have different pages", async () => {
  const { page, stripe, emulator } = await open();
  await stripe.coupons.create({ id: "SAVE", percent_off: 10, duration: "once", name: "Ours" });
  await fetch(`${emulator.url}/v1/coupons`, {
    method: "POST",
    headers: { authorization: "Bearer sk_test_other" },
    body: new URLSearchParams({ id: "SAVE", percent_off: "20", duration: "once", name: "Theirs" }),
  });
  await page.goto("/_viewer/accounts/1/objects/SAVE");
  expect(await textOf(page, "object")).toContain("Ours");
  await page.goto("/_viewer/accounts/2/objects/SAVE");
  expect(await textOf(page, "object")).toContain("Theirs");
});

test("the page of a request shows parameters, response and events, and masks card numbers and secrets", async () => {
  const { page, stripe } = await open();
  const customer = await stripe.customers.create({
    name: "Ada Lovelace",
    metadata: { note: "my sk_live_abcdef123456" },
  });
  await stripe.customers.createSource(customer.id, { source: "tok_visa" }).catch(() => {});
  await stripe.paymentMethods
    .create({ type: "card", card: { number: "4242424242424242", exp_month: 1, exp_year: 34, cvc: "987" } })
    .catch(() => {});
  await page.goto("/_viewer/requests");
  await page.getByRole("link", { name: "POST /v1/customers", exact: true }).click();
  expect(await textOf(page, "params")).toContain("Ada Lovelace");
  expect(await textOf(page, "exchange")).toContain(`"id": "${customer.id}"`);
  expect(await textOf(page, "exchange")).not.toContain("abcdef123456");
  expect(await textOf(page, "request-events")).toContain("customer.created");
  await page.goto("/_viewer/requests/3");
  expect(await textOf(page, "params")).toContain("•••• 4242");
  expect(await page.content()).not.toMatch(/4242424242424242|\b987\b/);
});

test("the request list can be limited to a text and to failed requests", async () => {
  const { page, stripe } = await open();
  await stripe.customers.create();
  await stripe.customers.retrieve("cus_missing").catch(() => {});
  await page.goto("/_viewer/requests");
  await page.getByLabel("Only failed").check();
  await page.getByRole("button", { name: "Filter" }).click();
  expect(await page.getByTestId("requests").locator("tbody tr").count()).toBe(1);
  await page.getByLabel("Filter", { exact: true }).fill("/v1/prices");
  await page.getByRole("button", { name: "Filter" }).click();
  expect(await textOf(page, "requests")).toContain("No request matches the filter.");
});

test("the viewer shows the timers and events of the last move of the clock, grouped by object", async () => {
  const { page, stripe } = await open();
  const { subscription } = await subscribe(stripe);
  await page.goto("/");
  expect(await textOf(page, "last-move")).toContain("The clock was not moved yet.");
  await page.getByTestId("advance-renewal").click();
  const row = page.getByTestId("last-move").locator("tr").filter({ hasText: subscription.id });
  expect(await row.innerText()).toContain("period ends at 2026-02-28 12:00:00");
  expect(await row.innerText()).toContain("customer.subscription.updated");
  expect(await page.getByTestId("last-move").getByTestId("intro").innerText()).toMatch(
    /^From 2026-01-31 12:00:00 to 2026-02-28 12:00:00: \d+ timers/,
  );
  await page.getByTestId("advance-next").click();
  expect(await textOf(page, "now")).toBe("2026-02-28 13:00:00");
});

test("the viewer shows the timers and events of the last move of a test clock", async () => {
  const { page, stripe } = await open();
  const frozen_time = START / 1_000;
  const clock = await stripe.testHelpers.testClocks.create({ frozen_time });
  const { id: customer } = await stripe.customers.create({ test_clock: clock.id });
  const session = await stripe.checkout.sessions.create({
    mode: "setup",
    currency: "usd",
    customer,
    success_url: "http://app.test/",
  });
  await stripe.testHelpers.testClocks.advance(clock.id, { frozen_time: frozen_time + 2 * 86_400 });
  await page.goto("/");
  const row = page.getByTestId("last-move").locator("tr").filter({ hasText: session.id });
  expect(await row.innerText()).toContain("session expires at 2026-02-01 12:00:00");
  expect(await row.innerText()).toContain("checkout.session.expired");
  expect(await page.getByTestId("last-move").getByTestId("intro").innerText()).toMatch(
    new RegExp(`^Test clock ${clock.id}: From 2026-01-31 12:00:00 to 2026-02-02 12:00:00: 1 timers ran`),
  );
});

test("the pages of objects mask signing secrets and client secrets", async () => {
  const { page, stripe } = await open();
  const endpoint = await stripe.webhookEndpoints.create({ url: "http://app.test/", enabled_events: ["*"] });
  const intent = await stripe.paymentIntents.create({ amount: 900, currency: "usd" });
  for (const [id, secret] of [
    [endpoint.id, endpoint.secret],
    [intent.id, intent.client_secret],
  ]) {
    await page.goto(`/_viewer/search?q=${id}`);
    expect(await textOf(page, "object")).toContain(id);
    expect(await page.content()).not.toContain(secret);
  }
});

test("the viewer holds deliveries, and sends held deliveries one by one or all in reverse order", async () => {
  const { page, stripe, emulator } = await open();
  await page.goto("/");
  await page.getByTestId("deliveries-hold").click();
  await subscribe(stripe);
  await page.reload();
  await page.getByRole("button", { name: "Deliver customer.subscription.created" }).click();
  const sent = () => emulator.deliveries().filter(({ attempts }) => attempts.length > 0);
  expect(sent()).toHaveLength(1);
  await page.getByTestId("deliveries-reversed").click();
  await page.getByText("New deliveries wait here.").waitFor();
  expect(sent()).toHaveLength(emulator.deliveries().length);
  await page.getByTestId("deliveries-release").click();
  await page.getByTestId("deliveries-hold").waitFor();
  await stripe.customers.create();
  await emulator.drain();
  expect(sent()).toHaveLength(emulator.deliveries().length);
});

test("the viewer adds and removes faults of requests and deliveries, and explains an invalid fault", async () => {
  const { page, stripe, emulator } = await open();
  await page.goto("/");
  await page.getByText("Make a request fail").click();
  await page.getByLabel("Path starts with").fill("/v1/customers");
  await page.getByLabel("Response").selectOption("503");
  await page.getByTestId("add-request-fault").click();
  await expect(stripe.customers.create({}, { maxNetworkRetries: 0 })).rejects.toMatchObject({ statusCode: 503 });
  await page.getByText("Change a delivery").click();
  await page.getByLabel("Event type").fill("customer.created");
  await page.getByLabel("Effect").selectOption("drop");
  await page.getByTestId("add-delivery-fault").click();
  expect(await textOf(page, "fault")).toContain("type customer.created, effect drop");
  await page.getByRole("button", { name: /^Remove/ }).click();
  await page.getByText("No faults.").waitFor();
  expect((await (await fetch(`${emulator.url}/_emulator/faults`)).json()) as object).toEqual({
    faults: [],
    deliveries: [],
  });
  await page.getByText("Make a request fail").click();
  await page.getByTestId("request-fault").getByLabel("Times").fill("0");
  await page.getByTestId("add-request-fault").click();
  expect(await textOf(page, "notice")).toMatch(/^The fault was not added\. times: /);
});

test("an empty viewer shows a command that sends the first request", async () => {
  const { page, emulator } = await open();
  await page.goto("/");
  expect(await textOf(page, "first-steps")).toContain(`curl ${emulator.url}/v1/customers -u sk_test_123:`);
  await fetch(`${emulator.url}/v1/customers`, { headers: { authorization: `Basic ${btoa("sk_test_123:")}` } });
  await page.reload();
  expect(await page.getByTestId("first-steps").count()).toBe(0);
  expect(await textOf(page, "subscriptions")).toContain("POST /v1/subscriptions");
});

test("the page of an event shows each delivery attempt, and sends the event again", async () => {
  const site = await open();
  const { page, emulator } = site;
  await checkout(site);
  await pay(page);
  await page.waitForURL(/localhost:\d+\/done/);
  await emulator.drain();
  const event = emulator.events().find(({ type }) => type === "checkout.session.completed");
  await page.goto(`/_viewer/search?q=${event?.id}`);
  expect(await textOf(page, "attempts")).toBe("2026-01-31 12:00:00: 200");
  await page.getByTestId("resend").click();
  await page.waitForURL(/#whd_/);
  expect(await page.getByTestId("attempts").locator("li").count()).toBe(2);
  expect(await page.locator("h1").innerText()).toBe(`event ${event?.id}`);
});
