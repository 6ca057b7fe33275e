/** The emulator's own routes: the clock, deliveries, faults and whole states. */
import { Hono, type Context } from "hono";
import { z } from "zod";
import { FaultInput } from "./core/faults.ts";
import { deserialize, newState, serialize } from "./core/world.ts";
import type { Engine } from "./engine.ts";

/** Ten years at once: enough for anybody, and an end for typing errors. */
const MAX_ADVANCE_SECONDS = 10 * 366 * 86_400;
const MAX_SNAPSHOTS = 100;

const AdvanceInput = z.strictObject({ seconds: z.int().min(0).max(MAX_ADVANCE_SECONDS) });
const RestoreInput = z.strictObject({ id: z.string() });

export function controlRoutes(engine: Engine, startAt: () => number): Hono {
  const app = new Hono();
  const { world } = engine;
  const snapshots = new Map<string, string>();
  const seed = world.state.seed;

  app.get("/clock", (c) => c.json({ now: engine.now() }));
  app.post("/clock/advance", async (c) => {
    const input = await read(c, AdvanceInput);
    return input.ok ? c.json({ now: await engine.advance(input.value.seconds) }) : refuse(c, input.problem);
  });

  app.get("/deliveries", (c) => c.json({ deliveries: [...world.state.deliveries.values()] }));

  app.get("/faults", (c) => c.json({ faults: world.state.faults }));
  app.post("/faults", async (c) => {
    const input = await read(c, FaultInput);
    if (!input.ok) return refuse(c, input.problem);
    world.state.faults.push(input.value);
    return c.json({ faults: world.state.faults });
  });
  app.delete("/faults", (c) => {
    world.state.faults = [];
    return c.json({ faults: [] });
  });

  app.post("/snapshot", (c) => {
    if (snapshots.size >= MAX_SNAPSHOTS)
      return refuse(c, `There are ${MAX_SNAPSHOTS} snapshots already: reset drops them.`);
    const id = `snapshot_${snapshots.size + 1}`;
    snapshots.set(id, serialize(world.state));
    return c.json({ id });
  });
  app.post("/restore", async (c) => {
    const input = await read(c, RestoreInput);
    const stored = input.ok ? snapshots.get(input.value.id) : undefined;
    if (stored === undefined) return refuse(c, input.ok ? `There is no snapshot "${input.value.id}".` : input.problem);
    world.state = deserialize(stored);
    engine.changed();
    return c.json({ now: world.state.now });
  });
  app.post("/reset", (c) => {
    const { webhook_endpoint: endpoints } = world.state.tables;
    const { endpointSecrets } = world.state;
    world.state = newState(seed, startAt());
    // The endpoints belong to whoever runs this, not to what was tried out.
    world.state.tables.webhook_endpoint = endpoints;
    world.state.endpointSecrets = endpointSecrets;
    snapshots.clear();
    engine.changed();
    return c.json({ now: world.state.now });
  });
  return app;
}

type Read<T> = { ok: true; value: T } | { ok: false; problem: string };

async function read<Schema extends z.ZodType>(c: Context, schema: Schema): Promise<Read<z.output<Schema>>> {
  const body: unknown = await c.req.json().catch(() => undefined);
  const parsed = schema.safeParse(body);
  if (parsed.success) return { ok: true, value: parsed.data };
  const [issue] = parsed.error.issues;
  return { ok: false, problem: `${issue?.path.map(String).join(".") || "body"}: ${issue?.message ?? "is not valid"}` };
}

function refuse(c: Context, message: string): Response {
  return c.json({ error: { type: "invalid_request_error", message } }, 400);
}
