/** Serves the forms of the viewer: they move the clock, add faults, and send deliveries. */
import type { Context as HttpContext, Hono } from "hono";
import { pendingDeliveries } from "../../core/timers.ts";
import type { Engine } from "../../engine.ts";
import { fieldOf } from "../card-form.ts";
import { createFlashMessages } from "../flash-messages.ts";
import { secondsOfStep } from "./clock.ts";
import { addFault, removeFault } from "./faults.ts";

type Form = Record<string, unknown>;

/** Adds the routes of the forms. Returns a function that returns and removes the message about the last form. */
export function viewerActions(app: Hono, engine: Engine): () => string | null {
  const notices = createFlashMessages();
  const post = (path: string, act: (form: Form, c: HttpContext) => void | Promise<unknown>): void =>
    void app.post(path, async (c) => {
      engine.catchUp();
      const form = await c.req.parseBody();
      await act(form, c);
      return c.redirect(pageBefore(c, fieldOf(form, "delivery")), 303);
    });

  post("/_viewer/advance", async (form) => {
    const seconds = secondsOfStep(engine, fieldOf(form, "step"));
    if (seconds !== null) await engine.advance({ seconds });
  });

  post("/_viewer/decline", (form) => {
    engine.state.nextDecline = fieldOf(form, "what") === "undo" ? null : "generic_decline";
    engine.changed();
  });

  post("/_viewer/resend", (form) => engine.deliverNow(fieldOf(form, "delivery")));

  post("/_viewer/deliveries", (form) => changeDeliveries(engine, fieldOf(form, "what")));

  post("/_viewer/faults/:kind{request|delivery}", (form, c) => {
    const problem = addFault(engine, c.req.param("kind") ?? "", form);
    if (problem !== null) notices.put("form", problem);
  });

  post("/_viewer/faults/remove", (form) => removeFault(engine, form));

  return () => notices.take("form");
}

/** Returns the path of the viewer's page that contains the form. */
function pageBefore(c: HttpContext, anchor: string): string {
  const referer = c.req.header("referer") ?? "";
  const url = URL.canParse(referer) ? new URL(referer) : null;
  const isOwn = url !== null && url.host === (c.req.header("host") ?? new URL(c.req.url).host);
  const path = isOwn && /^\/($|_viewer\/)/.test(url.pathname) ? `${url.pathname}${url.search}` : "/";
  return anchor === "" ? path : `${path}#${encodeURIComponent(anchor)}`;
}

async function changeDeliveries(engine: Engine, what: string): Promise<void> {
  if (what === "hold" || what === "release") engine.deliveries.held = what === "hold";
  if (what === "in-order" || what === "reversed") {
    const due = dueDeliveries(engine);
    for (const id of what === "reversed" ? due.toReversed() : due) await engine.deliverNow(id);
  }
  await engine.deliverDue();
  engine.changed();
}

/** Returns the IDs of all deliveries that are due now, in order. */
function dueDeliveries(engine: Engine): string[] {
  return engine
    .contexts()
    .flatMap(({ account }) => pendingDeliveries(account.timers))
    .filter(({ at }) => at <= engine.state.now)
    .toSorted((one, other) => one.at - other.at || one.order - other.order)
    .map(({ id }) => id);
}
