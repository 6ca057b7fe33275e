/** The layout of the viewer's pages, with the search box. A script keeps the pages up to date. */
import { html } from "hono/html";
import type { Engine } from "../../engine.ts";
import { alert, documentOf, type Markup } from "../layout.ts";

export interface ViewerPage {
  title: string;
  body: Markup;
  /** The text of the search box. Default "". */
  query?: string;
  /** A message about the last submitted form; null or missing if there is none. */
  notice?: string | null;
}

export function viewerLayout(engine: Engine, { title, body, query = "", notice = null }: ViewerPage): Markup {
  return documentOf(
    `${title} · Local emulator`,
    html`<header class="bar" data-change="${engine.feed.count}">
        <nav aria-label="Viewer"><a href="/">Overview</a> <a href="/_viewer/requests">Requests</a></nav>
        <form action="/_viewer/search" role="search">
          <input
            type="search"
            name="q"
            id="search"
            aria-label="Search for an ID, an email or a name"
            placeholder="Any ID, email or name"
            autocomplete="off"
            maxlength="200"
            value="${query}"
          />
          <button class="quiet">Search</button>
        </form>
        <span class="soft" role="status" data-testid="live" id="live"></span>
      </header>
      <main class="viewer">
        <div id="notice">${alert(notice)}</div>
        ${body}
      </main>`,
    html`<script src="/_viewer/script.js" defer></script>`,
  );
}
