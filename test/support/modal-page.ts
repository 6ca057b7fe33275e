/** Opens a page with the built modal in a browser. The modal's requests go to a service that runs in the test's process. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { Browser, Page } from "playwright-core";
import { onTestFinished } from "vitest";
import { TEST_APP_URL } from "../../packages/tollkeeper/src/testing/harness/constants.ts";

/** Handles a request of the page. Returns undefined to pass the request to the service. */
export type Intercept = (request: Request) => Response | Promise<Response> | undefined;

export interface ModalPageOptions {
  /** The service that receives the requests below `/stripe`. */
  fetch: (request: Request) => Promise<Response>;
  intercept?: Intercept;
  /** The JavaScript of the function `getToken`. Default: no user is signed in. */
  getToken?: string;
  /** The HTML of the modal's element. */
  element?: string;
  /** The language of the page. */
  lang?: string;
  /** JavaScript that runs before the module defines the element. It can use `client` and `element`. */
  beforeDefinition?: string;
  viewport?: { width: number; height: number };
  address?: string;
}

export interface ModalPage {
  page: Page;
  /** Names of the modal's events, oldest first. */
  events(): Promise<string[]>;
  /** Error messages of the page. */
  complaints: string[];
  show(): Promise<void>;
}

const DIST = new URL("../../packages/tollkeeper/dist/", import.meta.url);

export async function openModalPage(browser: Browser, options: ModalPageOptions): Promise<ModalPage> {
  const context = await browser.newContext(options.viewport ? { viewport: options.viewport } : {});
  onTestFinished(() => context.close());
  context.setDefaultTimeout(5_000);
  await context.route(`${TEST_APP_URL}/**`, async (route) => {
    const given = route.request();
    const { pathname } = new URL(given.url());
    if (/^\/(browser|elements)\/[\w-]+\.js$/.test(pathname))
      return route.fulfill({
        contentType: "text/javascript",
        body: readFileSync(fileURLToPath(new URL(`.${pathname}`, DIST)), "utf8"),
      });
    if (!pathname.startsWith("/stripe/"))
      return route.fulfill({ contentType: "text/html; charset=utf-8", body: pageHtml(options) });
    const body = given.postData();
    const request = new Request(given.url(), {
      method: given.method(),
      headers: given.headers(),
      ...(body !== null && { body }),
    });
    const response = (await options.intercept?.(request)) ?? (await options.fetch(request));
    return route.fulfill({
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: await response.text(),
    });
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(`${TEST_APP_URL}${options.address ?? "/"}`);
  await page.waitForFunction("window.ready");
  return {
    page,
    complaints,
    events: () => page.evaluate("window.seen"),
    show: () => page.evaluate("window.modal.show()"),
  };
}

function pageHtml({ getToken = "() => null", element, lang = "en", beforeDefinition }: ModalPageOptions): string {
  return `<!doctype html><html lang="${lang}"><meta name="viewport" content="width=device-width"><title>app</title>
${element ?? "<tollkeeper-premium-modal></tollkeeper-premium-modal>"}
<script type="module">
  import { createTollkeeperClient } from "/browser/index.js";
  window.seen = [];
  for (const name of ["tollkeeper-sign-in", "tollkeeper-change", "tollkeeper-close"])
    document.addEventListener(name, () => window.seen.push(name));
  const client = createTollkeeperClient({ getToken: ${getToken}, navigate: (url) => (window.went = url) });
  const modal = document.querySelector("tollkeeper-premium-modal");
  window.modal = modal;
  ${beforeDefinition ?? ""}
  await import("/elements/premium-modal-define.js");
  window.modal.client ??= client;
  window.ready = true;
</script></html>`;
}
