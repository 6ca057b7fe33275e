/** Stores the plans and policies of the app's versions, and the last known form of each plan. */
import { sql, type Kysely } from "kysely";
import type { Catalogue, RegisteredCatalogue } from "../domain/catalogue.ts";
import type { AccessPolicy } from "../domain/access.ts";
import type { BillingOwner } from "../domain/owner.ts";
import type { Plan, Plans } from "../domain/plans.ts";
import type { Mode } from "../domain/records.ts";
import { parseStored } from "../domain/stored-json.ts";
import { atMost, saveRows } from "./bulk.ts";
import type { Dialect } from "./dialect.ts";
import type { Schema } from "./schema.ts";

export interface CatalogueStore {
  /** Registers a catalogue. Does nothing if the catalogue was registered before. */
  register(fingerprint: string, catalogue: Catalogue): Promise<void>;
  /** Remembers plans, so that their subscribers keep the features if a later version of the app lacks the plans. */
  rememberPlans(plans: Plans): Promise<void>;
  /** Returns the registered catalogues of the replicas with a heartbeat since `seenAfter`, and the one with the fingerprint. */
  listRunning(seenAfter: number, own: string): Promise<RegisteredCatalogue[]>;
  /** Returns the last known form of each plan that was ever registered. */
  listKnownPlans(): Promise<Plan[]>;
  /** Lists owners of customers in the order of their keys, starting after the given owner. */
  listOwners(after: BillingOwner | null, limit: number): Promise<BillingOwner[]>;
}

export function catalogueStore(db: Kysely<Schema>, mode: Mode, dialect: Dialect): CatalogueStore {
  return { ...versions(db, mode, dialect), listOwners: (after, limit) => listOwners(db, mode, after, limit) };
}

function versions(db: Kysely<Schema>, mode: Mode, dialect: Dialect): Omit<CatalogueStore, "listOwners"> {
  return {
    register: (fingerprint, catalogue) => register(db, mode, fingerprint, catalogue),

    rememberPlans: (plans) =>
      saveRows(db, {
        dialect,
        table: "knownPlans",
        key: ["mode", "id"],
        rows: plans.map((plan) => ({ mode, id: plan.id, plan: JSON.stringify(plan) })),
      }),

    async listRunning(seenAfter, own) {
      const rows = await db
        .selectFrom("catalogues as c")
        .select(["c.fingerprint", "c.generation", "c.plans", "c.policy"])
        .where("c.mode", "=", mode)
        .where((eb) =>
          eb.or([
            eb("c.fingerprint", "=", own),
            eb.exists(
              eb
                .selectFrom("replicas as r")
                .select("r.id")
                .whereRef("r.mode", "=", "c.mode")
                .whereRef("r.catalogue", "=", "c.fingerprint")
                .where("r.seenAt", ">=", seenAfter),
            ),
          ]),
        )
        .execute();
      return rows.flatMap(({ plans, policy, ...row }) => {
        const parsed = {
          plans: parseStored(plans) as Plans | null,
          policy: parseStored(policy) as AccessPolicy | null,
        };
        return parsed.plans && parsed.policy ? [{ ...row, plans: parsed.plans, policy: parsed.policy }] : [];
      });
    },

    async listKnownPlans() {
      const rows = await db.selectFrom("knownPlans").select("plan").where("mode", "=", mode).orderBy("id").execute();
      return rows.flatMap(({ plan }) => (parseStored(plan) as Plan | null) ?? []);
    },
  };
}

async function listOwners(
  db: Kysely<Schema>,
  mode: Mode,
  after: BillingOwner | null,
  limit: number,
): Promise<BillingOwner[]> {
  const rows = await db
    .selectFrom("customerLinks")
    .select(["ownerKind", "ownerId"])
    .distinct()
    .where("mode", "=", mode)
    .$if(after !== null, (query) =>
      query.where(({ eb, refTuple, tuple }) =>
        eb(refTuple("ownerKind", "ownerId"), ">", tuple(after?.kind ?? "user", after?.id ?? "")),
      ),
    )
    .orderBy("ownerKind")
    .orderBy("ownerId")
    .limit(atMost(limit))
    .execute();
  return rows.map(({ ownerKind: kind, ownerId: id }) => ({ kind, id }));
}

async function register(
  db: Kysely<Schema>,
  mode: Mode,
  fingerprint: string,
  { plans, policy }: Catalogue,
): Promise<void> {
  const next = db
    .selectFrom("catalogues as other")
    .select(({ fn }) => sql<number>`coalesce(${fn.max("other.generation")}, 0) + 1`.as("generation"))
    .where("other.mode", "=", mode);
  await db
    .insertInto("catalogues")
    .values({
      mode,
      fingerprint,
      generation: next,
      plans: JSON.stringify(plans),
      policy: JSON.stringify(policy),
    })
    .onConflict((conflict) => conflict.doNothing())
    .execute();
}
