/** The common layout of the emulator's pages. The pages load nothing from other sites. */
import { html } from "hono/html";
import type { Context } from "../core/state.ts";

export type Markup = ReturnType<typeof html>;

/** Renders a page that customers see. The page names the seller of the context, or no seller if there is no context. */
export function layout(
  title: string,
  body: Markup,
  width: "wide" | "narrow" = "wide",
  context: Pick<Context, "state"> | null = null,
): Markup {
  const seller = context?.state.sellerName;
  return documentOf(
    seller === undefined ? title : `${title} · ${seller}`,
    html`${BANNER}
      <main class="${width}">
        ${seller === undefined ? "" : html`<p class="seller" data-testid="seller">${seller}</p>`} ${body}
      </main>`,
  );
}

const BANNER = html`<header class="banner"><a href="/">Local emulator</a>: no real money, test cards only</header>`;

const STYLE_SHEET = html`<link rel="stylesheet" href="/_emulator/style.css" />`;

/**
 * Renders a whole HTML document. `head` contains more elements of the document's head. `style` replaces the link to the style
 * sheet.
 */
export function documentOf(title: string, body: Markup, head: Markup | "" = "", style: Markup = STYLE_SHEET): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        ${style}
        <link rel="icon" href="data:," />
        ${head}
      </head>
      <body>
        ${body}
      </body>
    </html>`;
}

/** The page to which an error page links. */
export interface BackLink {
  href: string;
  text: string;
}

const VIEWER: BackLink = { href: "/", text: "Open the emulator" };

/** Renders an error page, which links to the given page, or to the viewer. */
export function errorPage(title: string, text: string, { href, text: label }: BackLink = VIEWER): Markup {
  return layout(
    title,
    html`<div class="card" data-testid="error">
      <h1>${title}</h1>
      <p>${text}</p>
      <a class="button" href="${href}" data-testid="back">${label}</a>
    </div>`,
    "narrow",
  );
}

export function alert(notice: string | null): Markup | "" {
  return notice === null ? "" : html`<p class="alert" role="alert" data-testid="notice">${notice}</p>`;
}
