/** The control routes under /_emulator: clock, faults, deliveries, settings and snapshots. */
import { type Context as HttpContext, Hono } from "hono";
import { z } from "zod";
import { decideDispute, DISPUTE_OUTCOMES, openDispute } from "./billing/disputes.ts";
import { ApiError } from "./core/errors.ts";
import { DeliveryFaultInput, FaultInput } from "./core/fault-schemas.ts";
import { newToken } from "./core/ids.ts";
import { retrieve } from "./core/rows.ts";
import { fork } from "./core/snapshots.ts";
import { AFTER_RETRIES, type Context, type State } from "./core/state.ts";
import { TaxSettingsInput } from "./core/tax-settings.ts";
import { rollback } from "./core/transaction.ts";
import type { Engine } from "./engine.ts";
import { DISPUTE_REASONS } from "./objects/dispute.ts";
import { timeHeader } from "./request-input.ts";

/**
 * The longest time by which one request can advance the clock: ten years. The limit catches typing errors in requests
 * that advance the clock.
 */
const MAX_ADVANCE_SECONDS = 10 * 366 * 86_400;
const MAX_SNAPSHOTS = 100;
const ROLL_SECONDS = 86_400;
const MAX_SELLER_NAME = 100;

const AdvanceInput = z.strictObject({
  seconds: z.int().min(0).max(MAX_ADVANCE_SECONDS),
  stop: z.strictObject({ event: z.string(), when: z.enum(["before", "after"]) }).optional(),
});
const SettingsInput = z.strictObject({
  after_retries: z.enum(AFTER_RETRIES).optional(),
  seller_name: z.string().trim().min(1).max(MAX_SELLER_NAME).optional(),
  tax: TaxSettingsInput.optional(),
});
const RestoreInput = z.strictObject({ id: z.string() });
const OrderInput = z.strictObject({ held: z.boolean().optional(), order: z.int().min(0).nullable().optional() });
const DeliverInput = z.strictObject({ ids: z.array(z.string()).min(1).max(1_000) });
const RollInput = z.strictObject({
  endpoint: z.string(),
  seconds: z.int().min(0).max(ROLL_SECONDS).default(ROLL_SECONDS),
});
const DisputeInput = z.strictObject({ charge: z.string(), reason: z.enum(DISPUTE_REASONS).default("fraudulent") });
const DecideInput = z.strictObject({ dispute: z.string(), status: z.enum(DISPUTE_OUTCOMES) });

/**
 * Returns the emulator's control routes, which start with `/_emulator`. The function `newState` creates the state that the
 * emulator has after a reset.
 */
export function controlRoutes(engine: Engine, newState: () => State): Hono {
  const app = new Hono();
  const post = postTo(app);
  app.get("/clock", (c) => {
    const now = engine.now();
    return c.json({ now }, 200, timeHeader(c, now));
  });
  post("/clock/advance", AdvanceInput, async ({ seconds, stop }) => ({
    now: await engine.advance({ seconds, stopAt: stop }),
  }));
  const settings = () => ({
    after_retries: engine.state.afterRetries,
    seller_name: engine.state.sellerName,
    tax: engine.state.tax,
  });
  app.get("/settings", (c) => c.json(settings()));
  post("/settings", SettingsInput, ({ after_retries: afterRetries, seller_name: sellerName, tax }) => {
    if (afterRetries !== undefined) engine.state.afterRetries = afterRetries;
    if (sellerName !== undefined) engine.state.sellerName = sellerName;
    if (tax !== undefined) engine.state.tax = tax;
    engine.changed();
    return settings();
  });
  disputeRoutes(app, engine);
  faultRoutes(app, engine);
  deliveryRoutes(app, engine);
  snapshotRoutes(app, engine, newState);
  return app;
}

type AddRoute = <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  handle: (input: z.output<Schema>) => object | Promise<object>,
) => void;

/** Returns a function that adds POST routes with a JSON body. Requests with invalid input get a 400 response. */
function postTo(app: Hono): AddRoute {
  return (path, schema, handle) =>
    void app.post(path, async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined);
      const parsed = schema.safeParse(body);
      if (!parsed.success) return badRequest(c, describeIssue(parsed.error));
      try {
        return c.json(await handle(parsed.data));
      } catch (error) {
        if (error instanceof ControlError) return badRequest(c, error.message);
        throw error;
      }
    });
}

/** Adds the routes that act as the cardholder's bank. */
function disputeRoutes(app: Hono, engine: Engine): void {
  const post = postTo(app);
  post("/disputes", DisputeInput, ({ charge, reason }) =>
    change(engine, charge, (context) => openDispute(context, retrieve(context, "charge", charge, "charge"), reason)),
  );
  post("/disputes/decide", DecideInput, ({ dispute: id, status }) =>
    change(engine, id, (context) => {
      const dispute = retrieve(context, "dispute", id, "dispute");
      decideDispute(context, dispute, status);
      return dispute;
    }),
  );
}

/** Changes the account that contains the object with this ID, in one transaction, and sends the deliveries. */
async function change<T extends object>(engine: Engine, id: string, act: (context: Context) => T): Promise<T> {
  engine.catchUp();
  const context = engine.contextWith(id);
  if (!context) throw new ControlError(`Object "${id}" not found.`);
  try {
    return act(context);
  } catch (error) {
    rollback(context);
    throw error instanceof ApiError ? new ControlError(error.message) : error;
  } finally {
    engine.finish(context);
  }
}

function faultRoutes(app: Hono, engine: Engine): void {
  const post = postTo(app);
  const faults = () => ({ faults: engine.state.faults, deliveries: engine.state.deliveryFaults });
  app.get("/faults", (c) => c.json(faults()));
  post("/faults", FaultInput, (fault) => {
    engine.state.faults.push(fault);
    return faults();
  });
  post("/faults/deliveries", DeliveryFaultInput, (fault) => {
    engine.state.deliveryFaults.push(fault);
    return faults();
  });
  app.delete("/faults", (c) => {
    engine.state.faults = [];
    engine.state.deliveryFaults = [];
    engine.state.nextDecline = null;
    return c.json(faults());
  });
}

function snapshotRoutes(app: Hono, engine: Engine, newState: () => State): void {
  const snapshots = new Map<string, State>();
  app.post("/snapshot", (c) => {
    if (snapshots.size >= MAX_SNAPSHOTS)
      return badRequest(c, `There are ${MAX_SNAPSHOTS} snapshots already. Reset the emulator to remove them.`);
    const id = `snapshot_${snapshots.size + 1}`;
    snapshots.set(id, fork(engine.state));
    return c.json({ id });
  });
  postTo(app)("/restore", RestoreInput, ({ id }) => {
    const stored = snapshots.get(id);
    if (!stored) throw new ControlError(`Snapshot "${id}" not found.`);
    engine.replaceState(fork(stored));
    return { now: engine.state.now };
  });
  app.post("/reset", (c) => {
    engine.requests.length = 0;
    snapshots.clear();
    engine.replaceState(newState());
    return c.json({ now: engine.state.now });
  });
}

function deliveryRoutes(app: Hono, engine: Engine): void {
  const post = postTo(app);
  const deliveries = () => engine.contexts().flatMap((context) => [...context.account.deliveries.values()]);
  app.get("/deliveries", (c) => c.json({ ...engine.deliveries, deliveries: deliveries() }));

  post("/deliveries/order", OrderInput, async ({ held, order }) => {
    if (held !== undefined) engine.deliveries.held = held;
    if (order !== undefined) engine.deliveries.order = order;
    await engine.deliverDue();
    return engine.deliveries;
  });

  post("/deliveries/deliver", DeliverInput, async ({ ids }) => {
    for (const id of ids) if (!(await engine.deliverNow(id))) throw new ControlError(`Delivery "${id}" not found.`);
    return { deliveries: deliveries().filter(({ id }) => ids.includes(id)) };
  });

  post("/webhook_endpoints/roll", RollInput, ({ endpoint, seconds }) => {
    const context = engine.contexts().find(({ account }) => account.endpointSecrets.has(endpoint));
    if (!context) throw new ControlError(`Webhook endpoint "${endpoint}" not found.`);
    const expiresAt = engine.state.now + seconds;
    const old = (context.account.endpointSecrets.get(endpoint) ?? []).map((one) => ({
      ...one,
      expiresAt: Math.min(one.expiresAt ?? expiresAt, expiresAt),
    }));
    const secret = newToken(context, "whsec", 32);
    context.account.endpointSecrets.set(endpoint, [{ secret, expiresAt: null }, ...old]);
    engine.changed();
    return { secret };
  });
}

class ControlError extends Error {
  override readonly name = "ControlError";
}

function describeIssue(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.map(String).join(".") || "body"}: ${issue?.message ?? "is not valid"}`;
}

function badRequest(c: HttpContext, message: string): Response {
  return c.json({ error: { type: "invalid_request_error", message } }, 400);
}
