/** The emulator's own routes: the clock, deliveries, faults and whole states. */
import { Hono, type Context } from "hono";
import { z } from "zod";
import { DeliveryFaultInput, FaultInput } from "./core/faults.ts";
import { newToken } from "./core/ids.ts";
import { AFTER_RETRIES, fork, type State } from "./core/world.ts";
import type { Engine } from "./engine.ts";

/** Ten years at once: enough for anybody, and an end for typing errors. */
const MAX_ADVANCE_SECONDS = 10 * 366 * 86_400;
const MAX_SNAPSHOTS = 100;
const ROLL_SECONDS = 86_400;

const AdvanceInput = z.strictObject({
  seconds: z.int().min(0).max(MAX_ADVANCE_SECONDS),
  stop: z.strictObject({ event: z.string(), when: z.enum(["before", "after"]) }).optional(),
});
const SettingsInput = z.strictObject({ after_retries: z.enum(AFTER_RETRIES) });
const RestoreInput = z.strictObject({ id: z.string() });
const OrderInput = z.strictObject({ held: z.boolean().optional(), order: z.int().min(0).nullable().optional() });
const DeliverInput = z.strictObject({ ids: z.array(z.string()).min(1).max(1_000) });
const RollInput = z.strictObject({
  endpoint: z.string(),
  seconds: z.int().min(0).max(ROLL_SECONDS).default(ROLL_SECONDS),
});

export function controlRoutes(engine: Engine, anew: () => State): Hono {
  const app = new Hono();
  const snapshots = new Map<string, State>();
  const on = <Schema extends z.ZodType>(
    path: string,
    schema: Schema,
    act: (input: z.output<Schema>) => object | Promise<object>,
  ) =>
    app.post(path, async (c) => {
      const body: unknown = await c.req.json().catch(() => undefined);
      const parsed = schema.safeParse(body);
      if (!parsed.success) return refuse(c, problemOf(parsed.error));
      try {
        return c.json(await act(parsed.data));
      } catch (error) {
        if (error instanceof Refusal) return refuse(c, error.message);
        throw error;
      }
    });

  app.get("/clock", (c) => c.json({ now: engine.now() }));
  on("/clock/advance", AdvanceInput, async ({ seconds, stop }) => ({ now: await engine.advance(seconds, stop) }));

  const faults = () => ({ faults: engine.state.faults, deliveries: engine.state.deliveryFaults });
  app.get("/faults", (c) => c.json(faults()));
  on("/faults", FaultInput, (fault) => {
    engine.state.faults.push(fault);
    return faults();
  });
  on("/faults/deliveries", DeliveryFaultInput, (fault) => {
    engine.state.deliveryFaults.push(fault);
    return faults();
  });
  app.delete("/faults", (c) => {
    engine.state.faults = [];
    engine.state.deliveryFaults = [];
    engine.state.nextDecline = null;
    return c.json(faults());
  });

  app.get("/settings", (c) => c.json({ after_retries: engine.state.afterRetries }));
  on("/settings", SettingsInput, (settings) => {
    engine.state.afterRetries = settings.after_retries;
    engine.changed();
    return settings;
  });

  deliveryRoutes(app, engine, on);

  app.post("/snapshot", (c) => {
    if (snapshots.size >= MAX_SNAPSHOTS)
      return refuse(c, `There are ${MAX_SNAPSHOTS} snapshots already: reset drops them.`);
    const id = `snapshot_${snapshots.size + 1}`;
    snapshots.set(id, fork(engine.state));
    return c.json({ id });
  });
  on("/restore", RestoreInput, ({ id }) => {
    const stored = snapshots.get(id);
    if (!stored) throw new Refusal(`There is no snapshot "${id}".`);
    engine.state = fork(stored);
    engine.changed();
    return { now: engine.state.now };
  });
  app.post("/reset", (c) => {
    engine.state = anew();
    engine.requests.length = 0;
    snapshots.clear();
    engine.changed();
    return c.json({ now: engine.state.now });
  });
  return app;
}

type On = <Schema extends z.ZodType>(
  path: string,
  schema: Schema,
  act: (input: z.output<Schema>) => object | Promise<object>,
) => void;

function deliveryRoutes(app: Hono, engine: Engine, on: On): void {
  const worlds = () => [...engine.state.accounts.keys()].map((id) => engine.worldOf(id));
  const deliveries = () => worlds().flatMap((world) => [...world.account.deliveries.values()]);
  app.get("/deliveries", (c) => c.json({ ...engine.deliveries, deliveries: deliveries() }));

  on("/deliveries/order", OrderInput, async ({ held, order }) => {
    if (held !== undefined) engine.deliveries.held = held;
    if (order !== undefined) engine.deliveries.order = order;
    await engine.deliverDue();
    return engine.deliveries;
  });

  on("/deliveries/deliver", DeliverInput, async ({ ids }) => {
    for (const id of ids) if (!(await engine.deliverNow(id))) throw new Refusal(`There is no delivery "${id}".`);
    return { deliveries: deliveries().filter(({ id }) => ids.includes(id)) };
  });

  on("/webhook_endpoints/roll", RollInput, ({ endpoint, seconds }) => {
    const world = worlds().find(({ account }) => account.endpointSecrets.has(endpoint));
    if (!world) throw new Refusal(`There is no webhook endpoint "${endpoint}".`);
    const expiresAt = engine.state.now + seconds;
    const old = (world.account.endpointSecrets.get(endpoint) ?? []).map((one) => ({
      ...one,
      expiresAt: Math.min(one.expiresAt ?? expiresAt, expiresAt),
    }));
    const secret = newToken(world, "whsec", 32);
    world.account.endpointSecrets.set(endpoint, [{ secret, expiresAt: null }, ...old]);
    engine.changed();
    return { secret };
  });
}

class Refusal extends Error {
  override readonly name = "Refusal";
}

function problemOf(error: z.ZodError): string {
  const [issue] = error.issues;
  return `${issue?.path.map(String).join(".") || "body"}: ${issue?.message ?? "is not valid"}`;
}

function refuse(c: Context, message: string): Response {
  return c.json({ error: { type: "invalid_request_error", message } }, 400);
}
