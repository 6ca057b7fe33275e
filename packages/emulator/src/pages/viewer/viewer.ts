/** Serves the viewer: the page at `/`, and the pages of objects, lists, requests and searches. */
import type { Context as HttpContext, Hono } from "hono";
import { html } from "hono/html";
import type { Engine } from "../../engine.ts";
import { errorPage } from "../layout.ts";
import { accountViews } from "./accounts.ts";
import { viewerActions } from "./actions.ts";
import { viewerLayout, type ViewerPage } from "./layout.ts";
import { rowsTable, typeText } from "./lists.ts";
import { liveRoutes } from "./live.ts";
import { objectPage } from "./objects.ts";
import { overview } from "./overview.ts";
import { requestPage, requestsPage } from "./requests.ts";
import { search } from "./search.ts";

export function viewerPage(app: Hono, engine: Engine): void {
  const takeNotice = viewerActions(app, engine);
  liveRoutes(app, engine);
  const show = (c: HttpContext, page: ViewerPage | null): Response | Promise<Response> =>
    page
      ? c.html(viewerLayout(engine, { ...page, notice: isNavigation(c) ? takeNotice() : null }))
      : c.html(NOT_FOUND, 404);

  app.get("/", (c) => show(c, { title: "Overview", body: overview(engine, new URL(c.req.url).origin) }));

  app.get("/_viewer/requests", (c) => {
    const { text = "", failed = "" } = c.req.query();
    return show(c, { title: "Requests", body: requestsPage(engine, text.trim(), failed === "yes") });
  });

  app.get("/_viewer/requests/:number", (c) => show(c, requestPage(engine, Number(c.req.param("number")))));

  app.get("/_viewer/search", (c) => {
    const text = (c.req.query("q") ?? "").trim();
    const result = search(engine, text);
    return "to" in result ? c.redirect(result.to, 303) : show(c, { title: "Search", body: result.body, query: text });
  });

  app.get("/_viewer/accounts/:number/objects/:id", (c) => {
    const view = accountViews(engine)[Number(c.req.param("number")) - 1];
    return show(c, view ? objectPage(engine, view, c.req.param("id")) : null);
  });

  app.get("/_viewer/accounts/:number/lists/:type", (c) => {
    const view = accountViews(engine)[Number(c.req.param("number")) - 1];
    const type = c.req.param("type");
    const table = new Map<string, Map<string, object>>(Object.entries(view?.context.account.tables ?? {})).get(type);
    if (!view || !table) return show(c, null);
    const title = `All objects of the type ${typeText(type)}`;
    const rows = rowsTable(view, { title: "Objects", rows: [...table.values()], testid: "list", empty: "None." });
    return show(c, {
      title,
      body: html`<h1 id="title">${title}</h1>
        ${rows}`,
    });
  });
}

/** Returns false for a refresh by the viewer's script, which must not take a message from the page that waits for it. */
function isNavigation(c: HttpContext): boolean {
  return c.req.header("sec-fetch-mode") !== "cors";
}

const NOT_FOUND = errorPage(
  "Not found",
  "The emulator has no such object, list or request. It keeps the newest 200 requests and the events of 30 days.",
);
