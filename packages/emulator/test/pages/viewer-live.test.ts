/** Tests the stream of changes that keeps the viewer's pages up to date. */
import { expect, test } from "vitest";
import { open, subscribe } from "./support.ts";

test("an open viewer shows a new customer and a new request without a reload", async () => {
  const { page, stripe, complaints } = await open();
  await page.goto("/");
  await page.getByText("Live", { exact: true }).waitFor();
  const customer = await stripe.customers.create({ name: "Ada" });
  await page.getByTestId("customers").getByText(customer.id).waitFor();
  await stripe.customers.retrieve(customer.id);
  await page.getByTestId("requests").getByText(`GET /v1/customers/${customer.id}`).waitFor();
  await stripe.customers.create({ name: "Bob" });
  await page.getByTestId("customers").getByText("Bob").waitFor();
  expect(complaints).toEqual([]);
});

test("an update of an open page keeps focus, open details, typed text and the scroll position", async () => {
  const { page, stripe, emulator } = await open({ width: 390, height: 500 });
  await subscribe(stripe);
  await page.goto("/");
  await page.getByText("Live", { exact: true }).waitFor();
  await page.getByText("Make a request fail").click();
  await page.getByLabel("Path starts with").fill("/v1/typed");
  const table = page.getByRole("region", { name: "Customers" });
  await table.evaluate((element) => element.scrollTo(120, 0));
  const before = await page.evaluate(() => window.scrollY);
  expect(before).toBeGreaterThan(0);
  // A new fault replaces the section with the form, and a new customer replaces the table.
  await fetch(`${emulator.url}/_emulator/faults`, {
    method: "POST",
    body: JSON.stringify({ answer: 500, path: "/v1/none" }),
  });
  const customer = await stripe.customers.create({ name: "Bob" });
  await page.getByTestId("customers").getByText(customer.id).waitFor();
  await page.getByTestId("fault").waitFor();
  expect(await page.getByLabel("Path starts with").inputValue()).toBe("/v1/typed");
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("request-path");
  expect(await table.evaluate((element) => element.scrollLeft)).toBe(120);
  expect(await page.evaluate(() => window.scrollY)).toBe(before);
});

test("an update keeps the focus on the button that was pressed", async () => {
  const { page, stripe } = await open();
  const { customer } = await subscribe(stripe);
  await page.goto(`/_viewer/search?q=${customer.id}`);
  await page.getByText("Live", { exact: true }).waitFor();
  const link = page.getByTestId("events").getByRole("link", { name: "customer.created" });
  await link.focus();
  await stripe.customers.update(customer.id, { name: "Grace" });
  await page.getByTestId("events").getByText("customer.updated").nth(1).waitFor();
  await page.getByTestId("object").getByText('"Grace"').waitFor();
  expect(await page.evaluate(() => document.activeElement?.textContent)).toBe("customer.created");
});

test("the number of streams is limited, and a closed stream makes room for another", async () => {
  const { emulator } = await open();
  const streams = await Promise.all(Array.from({ length: 32 }, () => openStream(emulator.url)));
  expect(streams.map(({ status }) => status)).toEqual(streams.map(() => 200));
  expect((await openStream(emulator.url)).status).toBe(503);
  streams[0]?.abort();
  await expect.poll(async () => (await openStream(emulator.url)).status).toBe(200);
});

test("closing the emulator ends the streams", async () => {
  const { emulator } = await open();
  const { body } = await fetch(`${emulator.url}/_viewer/live`);
  const reader = body?.getReader();
  expect(new TextDecoder().decode((await reader?.read())?.value)).toBe("data: 0\n\n");
  const end = reader?.read().catch(() => ({ done: true }));
  await emulator.close();
  expect(await end).toMatchObject({ done: true });
});

test("a page of another origin cannot read the stream of changes", async () => {
  const { emulator } = await open();
  const response = await fetch(`${emulator.url}/_viewer/live`, { headers: { origin: "http://attacker.test" } });
  expect(response.status).toBe(403);
});

test("a page that changes while it loads shows also the last change", async () => {
  const { page, stripe } = await open();
  await page.goto("/");
  await page.getByText("Live", { exact: true }).waitFor();
  let last = "";
  // The first refresh gets its page before the last change, and the browser receives this page only after the change.
  await page.route("**/", async (route) => {
    const response = await route.fetch();
    if (last === "") last = (await stripe.customers.create({ name: "Late" })).id;
    await page.waitForTimeout(400);
    await route.fulfill({ response });
  });
  await stripe.customers.create({ name: "Early" });
  await page.getByTestId("customers").getByText("Late").waitFor();
  expect(last).not.toBe("");
});

async function openStream(url: string): Promise<{ status: number; abort: () => void }> {
  const controller = new AbortController();
  const response = await fetch(`${url}/_viewer/live`, { signal: controller.signal });
  if (response.status !== 200) await response.body?.cancel();
  return { status: response.status, abort: () => controller.abort() };
}
