/** Handles one page of a subscription list: compares it with the mirror and repairs the differences. */
import { compareRecords, type Difference } from "../domain/drift.ts";
import type {
  CustomerRecord,
  InvoiceRecord,
  PaymentMethodRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../domain/records.ts";
import type { Store } from "../store/store.ts";
import type { RetrievedSubscription } from "../stripe/gateway/gateway.ts";
import { coveredIds, emptySnapshot, type Snapshot } from "../sync/retrieve.ts";
import { compareCard, compareInvoice, withSortedItems } from "./compare.ts";
import { completeEvents, repair, reportDrift, type RowDrift } from "./repair.ts";
import type { PageState, SweepContext } from "./sweep-context.ts";

/** Handles one page. Returns the number of pending events that the page of subscriptions completes. */
export async function handleSubscriptionPage(
  context: SweepContext,
  page: PageState,
  rows: readonly RetrievedSubscription[],
  upToSeq: number,
): Promise<number> {
  for (const { subscription } of rows) page.listedIds.add(subscription.id);
  const mirror = await loadMirror(context.store, rows);
  const products = await findUnmirroredProducts(context, page, rows);
  const covered = new Map(rows.filter((row) => row.invoiceComplete).map((row) => [row, coveredBySubscription(row)]));
  const pendingIds = page.dryRun
    ? new Set<string>()
    : await context.store.inbox.findPendingObjectIds([...covered.values()].flat(), upToSeq);
  const { drift, written, toRetrieve, snapshots } = planRepair(rows, { mirror, products, covered, pendingIds });
  if (page.dryRun) {
    reportDrift(page, drift);
    return 0;
  }
  const retrieved = await repair(context, page, "subscription", snapshots);
  await page.forEachLimited(toRetrieve, ({ id, customerId }) =>
    context.sync.object({ object: "subscription", id, customerId }),
  );
  reportDrift(page, drift, retrieved);
  const ids = written
    .filter(({ subscription }) => !subscription.items.some(({ productId }) => page.failed.has(productId)))
    .flatMap((row) => (retrieved.has(row.subscription.customerId) ? [row.subscription.id] : (covered.get(row) ?? [])));
  return completeEvents(context, page, { ids, pendingIds, upToSeq });
}

/** The mirror's rows of the objects on a page of Stripe's list, by id. */
interface MirroredRows {
  subscriptions: Map<string, SubscriptionRecord>;
  invoices: Map<string, InvoiceRecord>;
  cards: Map<string, PaymentMethodRecord>;
  customers: Map<string, CustomerRecord>;
}

async function loadMirror(store: Store, rows: readonly RetrievedSubscription[]): Promise<MirroredRows> {
  const { subscriptions, customers } = store;
  return {
    subscriptions: await subscriptions.findSubscriptions(rows.map(({ subscription }) => subscription.id)),
    invoices: await subscriptions.findInvoices(rows.flatMap(({ subscription }) => subscription.latestInvoiceId ?? [])),
    cards: await customers.findPaymentMethods(rows.flatMap(({ paymentMethod }) => paymentMethod?.id ?? [])),
    customers: await customers.findCustomers(rows.flatMap(({ customer }) => customer?.customer.id ?? [])),
  };
}

interface RepairPlan {
  drift: RowDrift[];
  /** Rows of the page of Stripe's list that can be written to the mirror without another request to Stripe. */
  written: RetrievedSubscription[];
  /** Subscriptions whose list row lacks the state of their invoice's payment. */
  toRetrieve: { id: string; customerId: string }[];
  /** Records from the page of Stripe's list that must be written to the mirror, by lane. */
  snapshots: Map<string, Snapshot>;
}

interface RepairInput {
  mirror: MirroredRows;
  /** Products that the mirror lacks and that subscriptions on this page of Stripe's list use, by id. */
  products: ReadonlyMap<string, ProductRecord>;
  /** For each row of the list page, the ids of the objects whose current state the row contains. */
  covered: ReadonlyMap<RetrievedSubscription, readonly string[]>;
  /** Ids of the objects on the list page that have pending events. */
  pendingIds: ReadonlySet<string>;
}

function planRepair(rows: readonly RetrievedSubscription[], input: RepairInput): RepairPlan {
  const plan: RepairPlan = { drift: [], written: [], toRetrieve: [], snapshots: new Map() };
  for (const row of rows) {
    const { id, customerId, items } = row.subscription;
    const differences = compareRow(row, input.mirror);
    const newProducts = items.flatMap(({ productId }) => input.products.get(productId) ?? []);
    const isPending = input.covered.get(row)?.some((covered) => input.pendingIds.has(covered)) ?? false;
    if (differences.length === 0 && newProducts.length === 0 && !isPending) continue;
    plan.drift.push({ lane: row.invoiceComplete ? customerId : null, differences });
    if (!row.invoiceComplete) {
      plan.toRetrieve.push({ id, customerId });
      continue;
    }
    plan.written.push(row);
    const snapshot = plan.snapshots.get(customerId) ?? emptySnapshot(customerId);
    plan.snapshots.set(customerId, addToSnapshot(snapshot, row, newProducts));
  }
  return plan;
}

function compareRow(row: RetrievedSubscription, mirror: MirroredRows): Difference[] {
  const { subscription, invoice, paymentMethod, customer } = row;
  const mirrored = mirror.subscriptions.get(subscription.id) ?? null;
  return [
    ...(customer
      ? compareRecords("customer", mirror.customers.get(customer.customer.id) ?? null, customer.customer)
      : []),
    ...compareRecords("subscription", withSortedItems(mirrored), withSortedItems(subscription)),
    ...(invoice ? compareInvoice(mirror.invoices.get(invoice.id) ?? null, invoice) : []),
    ...compareCard({ object: "subscription", id: subscription.id }, mirror.cards, paymentMethod),
  ];
}

function coveredBySubscription(row: RetrievedSubscription): string[] {
  return coveredIds(addToSnapshot(emptySnapshot(row.subscription.customerId), row, []));
}

/**
 * Retrieves products that the mirror lacks and that subscriptions on this page of Stripe's list use. If the mirror lacks a
 * subscription's product, the subscription gives no access.
 */
async function findUnmirroredProducts(
  context: SweepContext,
  { products, forEachLimited }: PageState,
  rows: readonly RetrievedSubscription[],
): Promise<Map<string, ProductRecord>> {
  const found = new Map<string, ProductRecord>();
  const ids = new Set(rows.flatMap(({ subscription }) => subscription.items.map(({ productId }) => productId)));
  await forEachLimited(
    [...ids].filter((id) => !products.known.has(id)),
    async (id) => {
      const product = await retrieveOnce(context, products, id);
      if (product) found.set(id, product);
      else products.known.add(id);
    },
  );
  return found;
}

/**
 * Retrieves a product from Stripe only once, even if several list pages need the product at the same time. Returns null if the
 * mirror already has the product, or if Stripe does not have it.
 */
function retrieveOnce(
  { gateway, store }: SweepContext,
  { retrieving }: PageState["products"],
  id: string,
): Promise<ProductRecord | null> {
  const retrieve = async (): Promise<ProductRecord | null> =>
    (await store.products.hasProduct(id)) ? null : gateway.retrieveProduct(id);
  const request = retrieving.get(id) ?? retrieve().finally(() => retrieving.delete(id));
  retrieving.set(id, request);
  return request;
}

function addToSnapshot(snapshot: Snapshot, row: RetrievedSubscription, products: readonly ProductRecord[]): Snapshot {
  const { customer, subscription, invoice, paymentMethod, prices } = row;
  const isNew = customer !== null && !snapshot.customers.some(({ id }) => id === customer.customer.id);
  const { embedded } = snapshot;
  return {
    ...snapshot,
    customers: isNew ? [...snapshot.customers, customer.customer] : snapshot.customers,
    subscriptions: [...snapshot.subscriptions, subscription],
    invoices: invoice ? [...snapshot.invoices, invoice] : snapshot.invoices,
    paymentMethods: paymentMethod ? [...snapshot.paymentMethods, paymentMethod] : snapshot.paymentMethods,
    embedded: { products: [...embedded.products, ...products], prices: [...embedded.prices, ...prices] },
  };
}
