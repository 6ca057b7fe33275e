/** Names the installed browser for the example of a test in a browser, which imports nothing from the folder `test`. */
import { expect } from "vitest";

if (/\bexamples\b.*\bbrowser\.test\.ts$/.test(expect.getState().testPath ?? "")) {
  const { findBrowser } = await import("./browser.ts");
  process.env["CHROMIUM"] = await findBrowser();
}
