/** Renders the controls that make payments, requests and deliveries fail, and adds and removes faults. */
import { html } from "hono/html";
import type { z } from "zod";
import { DeliveryFaultInput, FaultInput } from "../../core/fault-schemas.ts";
import type { Engine } from "../../engine.ts";
import { fieldOf } from "../card-form.ts";
import type { Markup } from "../layout.ts";

type Form = Record<string, unknown>;

/** The kind of a fault, in forms. */
type FaultKind = "request" | "delivery";

export function faultsCard(engine: Engine): Markup {
  const { state } = engine;
  const faults = [
    ...state.faults.map((fault, at) => faultRow("request", at, fault)),
    ...state.deliveryFaults.map((fault, at) => faultRow("delivery", at, fault)),
  ];
  return html`<section class="card" data-testid="faults" id="faults">
    <h2>Failures and faults</h2>
    ${declineForm(engine)}
    ${faults.length === 0 ? html`<p class="soft">No faults. Requests and deliveries succeed.</p>` : faults}
    ${requestFaultForm()} ${deliveryFaultForm()}
  </section>`;
}

function declineForm({ state }: Engine): Markup {
  const waits = state.nextDecline != null;
  return html`<form method="post" action="/_viewer/decline" class="inline">
    ${
      waits
        ? html`<span role="status" data-testid="decline-waits">The next payment fails.</span>
            <button class="link" name="what" value="undo" data-testid="decline-undo">Take it back</button>`
        : html`<button class="quiet" data-testid="decline-next">Next payment fails</button>`
    }
  </form>`;
}

function faultRow(kind: FaultKind, at: number, fault: object): Markup {
  const text = faultText(kind, fault);
  return html`<form method="post" action="/_viewer/faults/remove" class="row wrap" data-testid="fault">
    <span>${kind === "request" ? "Request" : "Delivery"} fault: <code>${text}</code></span>
    <input type="hidden" name="kind" value="${kind}" />
    <input type="hidden" name="fault" value="${nameOf(kind, fault)}" />
    <button class="link" name="at" value="${at}" aria-label="Remove ${text}">Remove</button>
  </form>`;
}

const DEFAULTS: Record<FaultKind, Record<string, unknown>> = {
  request: { ...FaultInput.parse({ answer: 500 }), answer: undefined, path: undefined, times: undefined },
  delivery: { ...DeliveryFaultInput.parse({ effect: "drop" }), effect: undefined, times: undefined },
};

/** Describes the fields of a fault that differ from their default. */
function faultText(kind: FaultKind, fault: object): string {
  return Object.entries(fault)
    .filter(([name, value]) => value !== undefined && value !== DEFAULTS[kind][name])
    .map(([name, value]) => `${name} ${String(value)}`)
    .join(", ");
}

/** Returns a text that identifies a fault. The text does not contain the counts and the seed, because
 * they change with each request. */
function nameOf(kind: FaultKind, fault: object): string {
  return faultText(kind, { ...fault, skip: undefined, times: undefined, seed: undefined });
}

const ANSWERS = ["429", "500", "503", "lock_timeout", "reset", "timeout", "cut", "stale", "decline", "delay"];

function requestFaultForm(): Markup {
  return html`<details id="request-fault" data-testid="request-fault">
    <summary>Make a request fail</summary>
    <form method="post" action="/_viewer/faults/request" class="fields">
      ${select("method", "Method", ["", "GET", "POST", "DELETE"], "request")}
      ${field({ name: "path", label: "Path starts with", value: "/v1/", kind: "request" })}
      ${select("answer", "Response", ANSWERS, "request")} ${select("when", "Moment", ["before", "after"], "request")}
      ${field({ name: "times", label: "Times", value: "1", kind: "request", type: "number" })}
      ${field({ name: "probability", label: "Probability", value: "1", kind: "request" })}
      ${field({ name: "milliseconds", label: "Delay in ms", value: "1000", kind: "request", type: "number" })}
      <button class="quiet" data-testid="add-request-fault">Add fault</button>
    </form>
  </details>`;
}

function deliveryFaultForm(): Markup {
  return html`<details id="delivery-fault" data-testid="delivery-fault">
    <summary>Change a delivery</summary>
    <form method="post" action="/_viewer/faults/delivery" class="fields">
      ${field({ name: "type", label: "Event type", value: "", kind: "delivery" })}
      ${select("effect", "Effect", DeliveryFaultInput.shape.effect.options, "delivery")}
      ${field({ name: "times", label: "Times", value: "1", kind: "delivery", type: "number" })}
      ${field({ name: "probability", label: "Probability", value: "1", kind: "delivery" })}
      <button class="quiet" data-testid="add-delivery-fault">Add fault</button>
    </form>
  </details>`;
}

function select(name: string, label: string, options: readonly string[], kind: FaultKind): Markup {
  const id = `${kind}-${name}`;
  return html`<div>
    <label for="${id}">${label}</label>
    <select id="${id}" name="${name}">
      ${options.map((value) => html`<option value="${value}">${value === "" ? "any" : value.replaceAll("_", " ")}</option>`)}
    </select>
  </div>`;
}

interface Field {
  name: string;
  label: string;
  value: string;
  kind: FaultKind;
  type?: "number";
}

function field({ name, label, value, kind, type }: Field): Markup {
  const id = `${kind}-${name}`;
  return html`<div>
    <label for="${id}">${label}</label>
    <input id="${id}" name="${name}" type="${type ?? "text"}" value="${value}" autocomplete="off" placeholder="any" />
  </div>`;
}

/** Adds the fault of a form. Returns an error message if the form is invalid; otherwise null. */
export function addFault(engine: Engine, kind: string, form: Form): string | null {
  const input = Object.fromEntries(
    Object.keys(form)
      .map((name): [string, string] => [name, fieldOf(form, name)])
      .filter(([, value]) => value !== "")
      .map(([name, value]) => [name, /^\d+(\.\d+)?$/.test(value) ? Number(value) : value]),
  );
  return kind === "request"
    ? push(engine, FaultInput.safeParse(input), engine.state.faults)
    : push(engine, DeliveryFaultInput.safeParse(input), engine.state.deliveryFaults);
}

function push<Fault>(engine: Engine, parsed: z.ZodSafeParseResult<Fault>, faults: Fault[]): string | null {
  const issue = parsed.error?.issues[0];
  if (issue) return `The fault was not added. ${issue.path.map(String).join(".")}: ${issue.message}`;
  if (parsed.success) faults.push(parsed.data);
  engine.changed();
  return null;
}

/** Removes the fault of a form, unless it was used up meanwhile. */
export function removeFault(engine: Engine, form: Form): void {
  const { state } = engine;
  const at = Number(fieldOf(form, "at"));
  const kind = fieldOf(form, "kind") === "request" ? "request" : "delivery";
  const name = fieldOf(form, "fault");
  const isOther = (fault: object, index: number): boolean => index !== at || nameOf(kind, fault) !== name;
  if (kind === "request") state.faults = state.faults.filter(isOther);
  else state.deliveryFaults = state.deliveryFaults.filter(isOther);
  engine.changed();
}
