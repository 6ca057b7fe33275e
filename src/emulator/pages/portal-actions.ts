/** What people do in the portal. */
import { isOver, nextPeriodEnd } from "../billing/subscription-periods.ts";
import type { Hono } from "hono";
import { html } from "hono/html";
import { planChange, applyChange, previewChange } from "../billing/subscription-update.ts";
import { previewInvoice } from "../billing/preview.ts";
import { confirmSetup, createSetupIntent } from "../billing/setup.ts";
import { cancelAt, end, undoCancellation, type Subscription } from "../billing/subscriptions.ts";
import { ApiError } from "../core/errors.ts";
import { change } from "../core/events.ts";
import { formatAmount } from "../core/money.ts";
import { all, find, need, type World } from "../core/world.ts";
import type { Engine } from "../engine.ts";
import { configurationOf, type PortalConfiguration, type PortalSession } from "../resources/portal-sessions.ts";
import type { Price } from "../resources/prices.ts";
import { fieldOf, readCard } from "./card-form.ts";
import { layout, notFound } from "./layout.ts";

type Form = Record<string, unknown>;
/** Answers what to tell the person, or null; a redirect where it goes on elsewhere. */
type Action = (world: World, session: PortalSession, form: Form) => string | null;

export function createPortalActions(app: Hono, engine: Engine): void {
  app.get("/p/session/:id/preview", (c) => {
    const found = sessionIn(engine, c.req.param("id"));
    if (!found) return c.html(notFound("There is no such portal session"), 404);
    const { world, session } = found;
    const wanted = wantedChange(world, session, c.req.query());
    if (!wanted) return c.redirect(`/p/session/${session.id}`, 303);
    const { subscription, plan, behavior, price, quantity } = wanted;
    const changed = { ...subscription, items: { ...subscription.items, data: plan.items } };
    const preview = previewInvoice(world, {
      customer: session.customer,
      subscription: changed,
      changeOnly: behavior === "always_invoice",
      changes: (invoice) => (behavior === "none" ? [] : previewChange(world, invoice, subscription, plan)),
    });
    const money = (amount: number) => formatAmount(amount, preview.currency);
    return c.html(
      layout(
        "Change plan",
        html`<a href="/p/session/${session.id}">← Back</a>
          <section class="card" data-testid="change-preview">
            <h1>Change plan</h1>
            ${preview.lines.data.map((line) => html`<div class="row"><span>${line.description}</span><span>${money(line.amount)}</span></div>`)}
            <div class="row">
              <strong>${behavior === "always_invoice" ? "Due now" : "On your next invoice"}</strong>
              <strong data-testid="change-total">${money(preview.total)}</strong>
            </div>
            <form method="post" action="/p/session/${session.id}/change">
              <input type="hidden" name="subscription" value="${subscription.id}" />
              <input type="hidden" name="price" value="${price}" />
              <input type="hidden" name="quantity" value="${quantity}" />
              <button data-testid="confirm-change">Confirm</button>
            </form>
          </section>`,
      ),
    );
  });

  app.post("/p/session/:id/:action{cancel|resume|change|card|method}", async (c) => {
    engine.catchUp();
    const form = await c.req.parseBody();
    const found = sessionIn(engine, c.req.param("id"));
    if (!found) return c.html(notFound("There is no such portal session"), 404);
    const notice = run(found.world, found.session, ACTIONS[c.req.param("action")], form);
    engine.changed();
    void engine.deliverDue();
    const after = found.session.flow?.after_completion;
    const done = notice === null && after?.type === "redirect" ? after.redirect?.return_url : null;
    if (notice?.startsWith("/challenge/")) return c.redirect(notice, 303);
    return c.redirect(
      done ?? `/p/session/${found.session.id}${notice ? `?notice=${encodeURIComponent(notice)}` : ""}`,
      303,
    );
  });
}

function sessionIn(engine: Engine, id: string): { world: World; session: PortalSession } | null {
  const world = engine.worldWith(id);
  const session = world && find(world, "billing_portal.session", id);
  return world && session ? { world, session } : null;
}

function run(world: World, session: PortalSession, action: Action | undefined, form: Form): string | null {
  try {
    return action?.(world, session, form) ?? null;
  } catch (error) {
    if (error instanceof ApiError) return error.message;
    throw error;
  }
}

/** The session's own subscription that a form names. */
function chosen(world: World, session: PortalSession, form: Form): Subscription | null {
  const subscription = find(world, "subscription", fieldOf(form, "subscription"));
  return subscription?.customer === session.customer && !isOver(subscription) ? subscription : null;
}

function wantedChange(world: World, session: PortalSession, form: Form) {
  const subscription = chosen(world, session, form);
  const [item] = subscription?.items.data ?? [];
  if (!subscription || !item) return null;
  const update = configurationOf(world, session).features.subscription_update;
  const price =
    offeredPrices(world, update, subscription).find(({ id }) => id === fieldOf(form, "price")) ?? item.price;
  const quantity = Math.max(1, Math.trunc(Number(fieldOf(form, "quantity"))) || (item.quantity ?? 1));
  const behavior = update.proration_behavior;
  const plan = planChange(world, subscription, {
    items: [{ id: item.id, price, quantity }],
    prorationBehavior: behavior,
  });
  return { subscription, plan, behavior, price: price.id, quantity };
}

const ACTIONS: Record<string, Action> = {
  cancel(world, session, form) {
    const subscription = chosen(world, session, form);
    if (!subscription) return null;
    const details = { feedback: fieldOf(form, "reason") || null, comment: fieldOf(form, "comment") || null };
    if (configurationOf(world, session).features.subscription_cancel.mode === "at_period_end")
      cancelAt(world, subscription, nextPeriodEnd(subscription), details);
    else {
      Object.assign(subscription.cancellation_details, details);
      end(world, subscription, "cancellation_requested");
    }
    return null;
  },

  resume(world, session, form) {
    const subscription = chosen(world, session, form);
    if (subscription) undoCancellation(world, subscription);
    return null;
  },

  change(world, session, form) {
    const wanted = wantedChange(world, session, form);
    if (wanted) applyChange(world, wanted.subscription, wanted.plan, wanted.behavior);
    return null;
  },

  card(world, session, form) {
    const card = readCard(world, form);
    if (card.kind === "invalid") return card.notice;
    const intent = createSetupIntent(world, { customer: session.customer });
    confirmSetup(world, intent, card.id, `${world.baseUrl}/p/session/${session.id}`);
    if (intent.last_setup_error) return intent.last_setup_error.message;
    if (intent.next_action) return `/challenge/${intent.id}`;
    makeDefault(world, session, card.id);
    return null;
  },

  method(world, session, form) {
    const method = need(world, "payment_method", fieldOf(form, "method"), "payment_method");
    if (method.customer !== session.customer) return null;
    if (fieldOf(form, "what") === "default") makeDefault(world, session, method.id);
    else
      change(world, "payment_method.detached", method, (row) => {
        row.customer = null;
      });
    return null;
  },
};

function makeDefault(world: World, session: PortalSession, method: string): void {
  change(world, "customer.updated", need(world, "customer", session.customer), (row) => {
    row.invoice_settings.default_payment_method = method;
  });
}

/** What it can be changed to: the configured products' prices, or every price in the same currency. */
export function offeredPrices(
  world: World,
  update: PortalConfiguration["features"]["subscription_update"],
  subscription: Subscription,
): Price[] {
  const configured = update.products?.flatMap((product) => product.prices);
  return all(world, "price").filter(
    (price) =>
      price.active &&
      price.recurring?.usage_type === "licensed" &&
      price.currency === subscription.currency &&
      (configured === undefined || configured.includes(price.id)),
  );
}
