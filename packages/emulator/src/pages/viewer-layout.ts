/** The layout of the viewer's pages. */
import { html } from "hono/html";
import { documentOf, type Markup } from "./layout.ts";

export function viewerLayout(title: string, body: Markup): Markup {
  return documentOf(
    title,
    html`<header class="banner"><p>Local emulator: no real money, test cards only</p></header>
      <main class="viewer">${body}</main>`,
  );
}
