/** Checks that the test kit serves an app, the service and Stripe's pages to a real browser. */
import { Hono } from "hono";
import { expect, onTestFinished, test } from "vitest";
import type { Tollkeeper } from "../../packages/tollkeeper/src/index.ts";
import { launchBrowser } from "../support/browser.ts";
import { createKit } from "../support/kit.ts";

/** A page with a button that buys a plan. The cookie names the user. */
function createApp(tollkeeper: Tollkeeper): Hono {
  const app = new Hono();
  app.all(`${tollkeeper.basePath}/*`, (c) => tollkeeper.fetch(c.req.raw));
  app.get("/", async (c) => {
    const user = await tollkeeper.getUser(c.req.raw);
    const mayExport = user !== null && (await tollkeeper.can(user.id, "exports"));
    return c.html(`<h1>${mayExport ? "Your exports" : "Go Premium"}</h1><button>Buy</button>
      <script type="module">
        document.querySelector("button").onclick = async () => {
          const response = await fetch("${tollkeeper.basePath}/create-checkout-session", {
            method: "POST",
            headers: { "content-type": "application/json" },
            body: JSON.stringify({ plan: "premium", interval: "month" }),
          });
          location.href = (await response.json()).url;
        };
      </script>`);
  });
  return app;
}

test("a user buys a plan in a browser, and loses access when the test moves the clock", async () => {
  const billing = await createKit({
    authenticate(request) {
      const id = /user=(\w+)/.exec(request.headers.get("cookie") ?? "")?.[1];
      return id === undefined ? null : { id, email: `${id}@example.com`, name: null };
    },
    signIn: (user) => ({ cookie: `user=${user}` }),
  });
  const { appUrl } = await billing.serve({ app: createApp(billing.service) });
  const browser = await launchBrowser();
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  await page.context().addCookies([{ name: "user", value: "ada", url: appUrl }]);
  await page.goto(appUrl);
  await expect(page.getByRole("heading").textContent()).resolves.toBe("Go Premium");

  await page.getByRole("button", { name: "Buy" }).click();
  await page.getByLabel("Card number").fill("4242 4242 4242 4242");
  await page.getByTestId("pay").first().click();
  await page.getByRole("heading", { name: "Your exports" }).waitFor();
  expect(page.url()).toContain(appUrl);

  await billing.user("ada").failPayments();
  await billing.advance({ months: 1, days: 8 });
  await page.goto(appUrl);
  await page.getByRole("heading", { name: "Go Premium" }).waitFor();
});

test("without an app, the service itself is served, on the ports that the test names", async () => {
  const billing = await createKit();
  const { appUrl, stripeUrl } = await billing.serve();
  expect((await fetch(`${appUrl}/stripe/health`)).status).toBe(200);
  expect((await fetch(`${stripeUrl}/`)).status).toBe(200);
  await expect(billing.serve()).rejects.toThrow("The app is served already.");
  const { port } = new URL(appUrl);
  const other = await createKit();
  await expect(other.serve({ port: Number(port) })).rejects.toThrow("EADDRINUSE");
  await billing.stop();
  await expect(fetch(appUrl)).rejects.toThrow();
});
