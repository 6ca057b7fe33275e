/** Stripe's webhooks on their way to the replicas: lost, told twice, and beside what only looks like one. */
import { createHmac } from "node:crypto";
import type { Auditor } from "./auditor.ts";
import type { Machine } from "./machine.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Deliveries {
  /** Whether they reach nobody. */
  partitioned: boolean;
  /** Whether Stripe tells of nothing that happens: neither by a delivery nor in its list of events. */
  silent: boolean;
  /** Whether somebody else takes them, and answers that they have come. */
  swallowed: boolean;
  /** How many more facts are told by two events. */
  echoes: number;
  /** Events that Stripe has never told of, though what they would tell is true. */
  untold: ReadonlySet<string>;
  /** The network that Stripe delivers by. */
  deliver(request: Request): Promise<Response>;
  /** Posts to some replica, under an id of its own, what no replica may take for an event of ours. */
  forge(forgery: Forgery, event: object): Promise<void>;
}

/** What is not ours though it comes to our door. */
export const FORGERIES = ["other_mode", "connected_account", "wrong_secret", "too_old", "in_the_future"] as const;
export type Forgery = (typeof FORGERIES)[number];

export interface DeliveriesOptions {
  endpoint: { url: string; secret: string };
  machines: readonly Machine[];
  scheduler: Scheduler;
  auditor: Auditor;
  now(): number;
}

/** More than any tolerance. */
const FAR_MS = 3_600_000;

export function createDeliveries({ endpoint, machines, scheduler, auditor, now }: DeliveriesOptions): Deliveries {
  const untold = new Set<string>();
  let forgeries = 0;

  const post = async (request: Request): Promise<Response> => {
    const { id } = (await request.clone().json()) as { id: string };
    const up = machines.filter(({ service, name }) => service !== null && !scheduler.isFrozen(name));
    if (deliveries.partitioned || up.length === 0) throw new TypeError("fetch failed: connection refused");
    const machine = scheduler.chance.pick(up);
    const response = await Promise.race([machine.fetch(request), timeout(scheduler, machine)]);
    const { status } = (await response.clone().json()) as { status?: string };
    if (response.status === 200 && status !== "ignored") auditor.acknowledged(id);
    return response;
  };

  const signed = (event: object, secret: string, at: number): Request => {
    const body = JSON.stringify(event);
    const seconds = Math.floor(at / 1_000);
    const digest = createHmac("sha256", secret).update(`${seconds}.${body}`).digest("hex");
    const headers = { "content-type": "application/json", "stripe-signature": `t=${seconds},v1=${digest}` };
    return new Request(endpoint.url, { method: "POST", headers, body });
  };

  const arrive = async (request: Request): Promise<Response> => {
    const event = (await request.clone().json()) as { id: string };
    if (deliveries.silent || untold.has(event.id)) {
      untold.add(event.id);
      return Response.json({});
    }
    if (deliveries.swallowed) return Response.json({});
    if (deliveries.echoes > 0) {
      deliveries.echoes -= 1;
      const again = post(signed({ ...event, id: `${event.id}_again` }, endpoint.secret, now()));
      scheduler.follow(again);
      again.catch(() => {});
    }
    return post(request);
  };

  const deliveries: Deliveries = {
    partitioned: false,
    silent: false,
    swallowed: false,
    echoes: 0,
    untold,
    deliver(request) {
      const task = arrive(request);
      scheduler.follow(task);
      return task;
    },
    async forge(forgery, event) {
      forgeries += 1;
      const id = `evt_forged${forgeries}`;
      auditor.notOurs(id);
      const changed = {
        ...event,
        id,
        ...(forgery === "other_mode" && { livemode: true }),
        ...(forgery === "connected_account" && { account: "acct_elsewhere" }),
      };
      const secret = forgery === "wrong_secret" ? "whsec_guessed" : endpoint.secret;
      const at = now() + (forgery === "too_old" ? -FAR_MS : forgery === "in_the_future" ? FAR_MS : 0);
      await post(signed(changed, secret, at)).catch(() => {});
    },
  };
  return deliveries;
}

/** Stripe waits ten seconds for an answer, and a frozen machine gives none; it may still do what it was asked to. */
async function timeout(scheduler: Scheduler, machine: Machine): Promise<never> {
  await scheduler.untilFrozen(machine.name);
  throw new TypeError("fetch failed: no answer in time");
}
