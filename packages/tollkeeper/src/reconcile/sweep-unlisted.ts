/**
 * Checks the objects that the mirror has and that Stripe's list lacks. If Stripe's list lacks an object of the mirror, the
 * object has changed, was deleted, or no longer exists at Stripe.
 */
import { compareRecords, type DriftObject } from "../domain/drift.ts";
import type { CustomerRecord, InvoiceRecord, SubscriptionRecord } from "../domain/records.ts";
import { toEnded } from "../domain/subscription.ts";
import type { Store } from "../store/store.ts";
import { retrieve } from "../sync/retrieve.ts";
import { withSortedItems } from "./compare.ts";
import type { PageState, SweepContext, SweptList } from "./sweep-context.ts";

export async function retrieveUnlisted(context: SweepContext, list: SweptList, page: PageState): Promise<void> {
  const mirrored = await mirroredObjects(context.store, list);
  if (mirrored === null) return;
  const { object, ids, find } = mirrored;
  const { dryRun, listedIds, onDrift } = page;
  await page.forEachLimited(
    ids.filter((id) => !listedIds.has(id)),
    async (id) => {
      const before = await find(id);
      if (!dryRun) await context.sync.object({ object, id, customerId: object === "customer" ? id : null });
      const current = dryRun ? await expectedRecord(context, object, id) : await find(id);
      if (before && current) onDrift(compareRecords(object, before, current), dryRun ? null : "retrieve");
    },
  );
}

type SweptRecord = CustomerRecord | SubscriptionRecord | InvoiceRecord;

/** The kinds of object that can disappear from Stripe's lists. */
type ListedObject = Exclude<DriftObject, "refund" | "dispute">;

interface MirroredObjects {
  object: ListedObject;
  /** Ids of the mirror's objects that Stripe's list should contain. */
  ids: string[];
  find(id: string): Promise<SweptRecord | null>;
}

/** Returns null for refunds and disputes, because Stripe always lists them. */
async function mirroredObjects({ customers, subscriptions }: Store, list: SweptList): Promise<MirroredObjects | null> {
  switch (list) {
    case "customers":
      return {
        object: "customer",
        ids: await customers.listIds(),
        find: async (id) => (await customers.findCustomers([id])).get(id) ?? null,
      };
    case "subscriptions":
      return {
        object: "subscription",
        ids: await subscriptions.listChangeableIds(),
        find: async (id) => (await subscriptions.findSubscriptions([id])).get(id) ?? null,
      };
    case "open_invoices":
      return {
        object: "invoice",
        ids: await subscriptions.listOpenInvoiceIds(),
        find: (id) => subscriptions.findInvoice(id),
      };
    case "refunds":
    case "disputes":
      return null;
  }
}

/**
 * Returns the record that a repair would write to the mirror. Returns null if Stripe does not have the object, but a repair
 * would not change the mirror's row.
 */
async function expectedRecord(
  { gateway, store, runtime }: SweepContext,
  object: ListedObject,
  id: string,
): Promise<SweptRecord | null> {
  const { customers, subscriptions, invoices, removed } = await retrieve(gateway, store, object, id);
  if (removed.subscription === id) {
    const mirrored = (await store.subscriptions.findSubscriptions([id])).get(id);
    return mirrored ? toEnded(mirrored, runtime.billingNow()) : null;
  }
  const found = { customer: customers, subscription: subscriptions.map(withSortedItems), invoice: invoices }[object];
  return found.find((row) => row.id === id) ?? null;
}
