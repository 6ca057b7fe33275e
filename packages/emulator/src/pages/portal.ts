/** Serves the customer portal: its routes and layout. */
import type { Hono } from "hono";
import { html } from "hono/html";
import { find } from "../core/rows.ts";
import type { Engine } from "../engine.ts";
import { fieldOf } from "./card-form.ts";
import { createFlashMessages } from "./flash-messages.ts";
import { errorPage, layout, type Markup } from "./layout.ts";
import { cardSaved, type Next, runAction } from "./portal-actions.ts";
import { changePreview, readChange } from "./portal-change.ts";
import { cancelPage, cardPage, donePage, pausePage, removePage, updatePage } from "./portal-forms.ts";
import { homePage } from "./portal-home.ts";
import {
  addressOf,
  backFrom,
  flowAddress,
  namedSubscription,
  returnAddress,
  type ExpiredSession,
  openVisit,
  type Visit,
} from "./portal-visit.ts";

type Query = Record<string, string>;
/**
 * The title and body of a portal page, or a message to show on the home page instead. The value is null if the portal page is
 * not available.
 */
type PageContent = { title: string; body: Markup } | { notice: string } | null;
type View = (visit: Visit, query: Query, notice: string | null) => PageContent;

export function portalPage(app: Hono, engine: Engine): void {
  const notices = createFlashMessages();

  app.get("/p/session/:id/:page{home|cancel|update|preview|pause|card|remove|done}?", (c) => {
    const visit = openVisit(engine, c.req.param("id"));
    if (!visit || "isExpired" in visit) return c.html(closedPage(visit), visit ? 410 : 404);
    const page = c.req.param("page");
    if (page === undefined && visit.session.flow) return c.redirect(flowAddress(visit), 303);
    const view = VIEWS[page ?? "home"]?.(visit, c.req.query(), notices.take(visit.session.id));
    if (!view) return c.redirect(addressOf(visit, "home"), 303);
    if ("notice" in view) return refuse(visit, view.notice);
    return c.html(
      layout(
        view.title,
        portalLayout(visit, page ?? "home", view.body),
        (page ?? "home") === "home" ? "wide" : "narrow",
        visit.context,
      ),
    );
  });

  app.get("/p/session/:id/saved/:intent", (c) => {
    const visit = openVisit(engine, c.req.param("id"));
    if (!visit || "isExpired" in visit) return c.html(closedPage(visit), visit ? 410 : 404);
    const intent = find(visit.context, "setup_intent", c.req.param("intent"));
    if (intent?.customer !== visit.session.customer) return c.html(closedPage(null), 404);
    return go(visit, cardSaved(visit, intent));
  });

  app.post("/p/session/:id/:action{cancel|resume|pause|change|card|method}", async (c) => {
    const form = await c.req.parseBody();
    const visit = openVisit(engine, c.req.param("id"));
    if (!visit || "isExpired" in visit) return c.html(closedPage(visit), visit ? 410 : 404);
    return go(visit, runAction(visit, c.req.param("action"), form));
  });

  const go = (visit: Visit, { to, notice }: Next): Response => {
    if (notice !== undefined) notices.put(visit.session.id, notice);
    engine.finish(visit.context);
    return new Response(null, { status: 303, headers: { location: to } });
  };
  const refuse = (visit: Visit, notice: string): Response => go(visit, { to: addressOf(visit, "home"), notice });
}

/** Returns the page for a portal session that has expired, or that does not exist. */
function closedPage(expired: ExpiredSession | null): Markup {
  if (!expired)
    return errorPage(
      "Portal session not found",
      "No portal session has this ID. Restarts and resets of the emulator remove all objects.",
    );
  const text = "It must be opened within five minutes, and expires one hour after its last use. Open the portal again.";
  const { href } = expired;
  return href === null
    ? errorPage("This portal session has expired", text)
    : errorPage("This portal session has expired", text, { href, text: "Return" });
}

const VIEWS: Record<string, View> = {
  home: (visit, _query, notice) => ({ title: "Billing", body: homePage(visit, notice) }),

  cancel(visit, query) {
    const subscription = namedSubscription(visit, query);
    const body = subscription && cancelPage(visit, subscription);
    return body ? { title: "Cancel subscription", body } : null;
  },

  update(visit, query, notice) {
    const subscription = namedSubscription(visit, query);
    const body = subscription && updatePage(visit, subscription, notice);
    return body ? { title: "Change plan", body } : null;
  },

  preview(visit, query) {
    const wanted = readChange(visit, query);
    if (wanted === null || typeof wanted === "string") return wanted === null ? null : { notice: wanted };
    return { title: "Confirm your change", body: changePreview(visit, wanted, fieldOf(query, "code")) };
  },

  pause(visit, query) {
    const subscription = namedSubscription(visit, query);
    const body = subscription && pausePage(visit, subscription);
    return body ? { title: "Pause subscription", body } : null;
  },

  card(visit, _query, notice) {
    const body = cardPage(visit, notice);
    return body ? { title: "Add a card", body } : null;
  },

  remove(visit, query) {
    const body = removePage(visit, fieldOf(query, "method"));
    return body ? { title: "Remove your only card", body } : null;
  },

  done: (visit) => ({ title: "Done", body: donePage(visit) }),
};

function portalLayout(visit: Visit, page: string, body: Markup): Markup {
  const { headline, privacy_policy_url: privacy, terms_of_service_url: terms } = visit.configuration.business_profile;
  const out = returnAddress(visit);
  const back = page === "home" || page === "done" ? (out ? { href: out, text: "Return" } : null) : backFrom(visit);
  return html`${back ? html`<a class="back" href="${back.href}" data-testid="return">${back.text}</a>` : ""}
    ${headline ? html`<p class="soft" data-testid="headline">${headline}</p>` : ""} ${body}
    <p class="soft inline">${link("Terms", terms)} ${link("Privacy", privacy)}</p>`;
}

/** Returns a link. Only http and https URLs become links, because a configured URL can be any text. */
function link(text: string, address: string | null): Markup | "" {
  return address !== null && /^https?:\/\//.test(address) ? html`<a href="${address}">${text}</a>` : "";
}
