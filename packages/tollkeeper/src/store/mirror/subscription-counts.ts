/** Counts subscriptions for the metrics. */
import type { Kysely } from "kysely";
import type { SubscriptionCount } from "../../domain/catalogue.ts";
import type { BillingOwner } from "../../domain/owner.ts";
import type { Mode, SubscriptionStatus } from "../../domain/records.ts";
import { LIVE_STATUSES } from "../../domain/subscription.ts";
import { atMost } from "../bulk.ts";
import type { Schema } from "../schema.ts";

export interface LiveCount extends SubscriptionCount {
  status: SubscriptionStatus;
}

/** Counts live subscriptions by the plan of their price, with one query that reads all of them. */
export async function countLiveByPrice(db: Kysely<Schema>, mode: Mode): Promise<LiveCount[]> {
  const rows = await db
    .selectFrom("subscriptions as s")
    .leftJoin("subscriptionItems as i", (join) =>
      join.onRef("i.mode", "=", "s.mode").onRef("i.subscriptionId", "=", "s.id"),
    )
    .leftJoin("prices as p", (join) => join.onRef("p.mode", "=", "i.mode").onRef("p.id", "=", "i.priceId"))
    .leftJoin("products as d", (join) => join.onRef("d.mode", "=", "i.mode").onRef("d.id", "=", "i.productId"))
    .select(({ fn }) => ["s.status", "p.lookupKey", "d.plan", "d.app", fn.count("s.id").distinct().as("count")])
    .where("s.mode", "=", mode)
    .where("s.status", "in", LIVE_STATUSES)
    .groupBy(["s.status", "p.lookupKey", "d.plan", "d.app"])
    .execute();
  return rows.map((row) => ({ ...row, count: Number(row.count) }));
}

/** Lists owners that have several live subscriptions, of whatever plan, with one query that reads all live subscriptions. */
export async function listOwnersWithSeveralLive(
  db: Kysely<Schema>,
  mode: Mode,
  limit: number,
): Promise<BillingOwner[]> {
  const rows = await db
    .selectFrom("subscriptions as s")
    .innerJoin("customerLinks as l", (join) =>
      join.onRef("l.mode", "=", "s.mode").onRef("l.customerId", "=", "s.customerId"),
    )
    .select(["l.ownerKind", "l.ownerId"])
    .where("s.mode", "=", mode)
    .where("s.status", "in", LIVE_STATUSES)
    .groupBy(["l.ownerKind", "l.ownerId"])
    .having((eb) => eb.fn.count("s.id"), ">", 1)
    .orderBy("l.ownerKind")
    .orderBy("l.ownerId")
    .limit(atMost(limit))
    .execute();
  return rows.map(({ ownerKind: kind, ownerId: id }) => ({ kind, id }));
}
