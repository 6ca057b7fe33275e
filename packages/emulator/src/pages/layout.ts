/** The common layout of the emulator's pages. The pages load nothing from other sites. */
import { html } from "hono/html";

export type Markup = ReturnType<typeof html>;

export function layout(title: string, body: Markup, width: "wide" | "narrow" | "viewer" = "wide"): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="stylesheet" href="/_emulator/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <p class="banner">Local emulator: no real money, test cards only</p>
        <main class="${width}">${body}</main>
      </body>
    </html>`;
}

export function notFound(text: string): Markup {
  return layout("Not found", html`<div class="card"><h1>${text}</h1></div>`, "narrow");
}

export function alert(notice: string | null): Markup | "" {
  return notice === null ? "" : html`<p class="alert" role="alert" data-testid="notice">${notice}</p>`;
}
