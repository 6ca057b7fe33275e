/**
 * Delivers Stripe's webhooks to the replicas. The simulation can lose or duplicate Stripe's deliveries, and can send forged
 * deliveries.
 */
import { signedWebhook } from "../../packages/tollkeeper/src/testing/harness/index.ts";
import type { Auditor } from "./auditor.ts";
import type { SimulatedReplica } from "./replica-types.ts";
import type { Scheduler } from "./scheduler.ts";

export interface Deliveries {
  /** True while no webhook delivery from Stripe reaches a replica. */
  partitioned: boolean;
  /** True while Stripe neither delivers nor lists new events. */
  silent: boolean;
  /** True while a different server receives Stripe's webhook deliveries and returns 200. */
  swallowed: boolean;
  /** The number of upcoming events that Stripe reports twice, with two different ids. */
  echoes: number;
  /** The ids of the events that Stripe has neither delivered nor listed. */
  unreported: ReadonlySet<string>;
  /** Sends a delivery from Stripe to a replica. */
  deliver(request: Request): Promise<Response>;
  /** Sends a delivery that every replica must reject or ignore, with a new event id. */
  forge(forgery: Forgery, event: object): Promise<void>;
}

/** The types of webhook deliveries that a replica must reject or ignore. */
export const FORGERIES = ["other_mode", "connected_account", "wrong_secret", "too_old", "in_the_future"] as const;
export type Forgery = (typeof FORGERIES)[number];

export interface DeliveriesOptions {
  endpoint: { url: string; secret: string };
  replicas: readonly SimulatedReplica[];
  scheduler: Scheduler;
  auditor: Auditor;
  now(): number;
}

/** An age of webhook signatures that exceeds every tolerance that can be configured. */
const OUT_OF_TOLERANCE_MS = 3_600_000;

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { endpoint, scheduler, auditor, now } = options;
  const unreported = new Set<string>();
  let forgeries = 0;
  const deliveries: Deliveries = {
    partitioned: false,
    silent: false,
    swallowed: false,
    echoes: 0,
    unreported,
    deliver(request) {
      const task = arrive(request);
      scheduler.follow(task);
      return task;
    },
    async forge(forgery, event) {
      forgeries += 1;
      const id = `evt_forged${forgeries}`;
      auditor.forged(id);
      await post(options, deliveries, forgedRequest(options, forgery, { ...event, id })).catch(() => {});
    },
  };
  const arrive = async (request: Request): Promise<Response> => {
    const event = (await request.clone().json()) as { id: string };
    if (deliveries.silent || unreported.has(event.id)) {
      unreported.add(event.id);
      return Response.json({});
    }
    if (deliveries.swallowed) return Response.json({});
    if (deliveries.echoes > 0) {
      deliveries.echoes -= 1;
      const echo = JSON.stringify({ ...event, id: `${event.id}_again` });
      const again = post(options, deliveries, signedWebhook(echo, { ...endpoint, now: now() }));
      scheduler.follow(again);
      again.catch(() => {});
    }
    return post(options, deliveries, request);
  };
  return deliveries;
}

function forgedRequest({ endpoint, now }: DeliveriesOptions, forgery: Forgery, event: object): Request {
  const body = JSON.stringify({
    ...event,
    ...(forgery === "other_mode" && { livemode: true }),
    ...(forgery === "connected_account" && { account: "acct_elsewhere" }),
  });
  const secret = forgery === "wrong_secret" ? "whsec_guessed" : endpoint.secret;
  const shiftMs = forgery === "too_old" ? -OUT_OF_TOLERANCE_MS : forgery === "in_the_future" ? OUT_OF_TOLERANCE_MS : 0;
  return signedWebhook(body, { url: endpoint.url, secret, now: now() + shiftMs });
}

/** Posts a webhook delivery to a replica that is up. Throws if the network is partitioned or no replica is up. */
async function post(
  { replicas, scheduler, auditor }: DeliveriesOptions,
  { partitioned }: Deliveries,
  request: Request,
): Promise<Response> {
  const { id } = (await request.clone().json()) as { id: string };
  const up = replicas.filter(({ service, name }) => service !== null && !scheduler.isFrozen(name));
  if (partitioned || up.length === 0) throw new TypeError("fetch failed: connection refused");
  const replica = scheduler.random.pick(up);
  const response = await Promise.race([replica.fetch(request), timeout(scheduler, replica)]);
  const { status } = (await response.clone().json()) as { status?: string };
  if (response.status === 200 && status !== "ignored") auditor.acknowledged(id);
  return response;
}

/**
 * Stripe waits ten seconds for the response to a delivery. A frozen replica misses Stripe's timeout, but may still process the
 * webhook after the freeze.
 */
async function timeout(scheduler: Scheduler, replica: SimulatedReplica): Promise<never> {
  await scheduler.untilFrozen(replica.name);
  throw new TypeError("fetch failed: no response in time");
}
