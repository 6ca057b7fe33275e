/**
 * Retrieves the current state of one object from Stripe, with the related objects that the mirror needs, as a snapshot.
 */
import type {
  CustomerRecord,
  DisputeRecord,
  InvoiceRecord,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  RefundRecord,
  SubscriptionRecord,
} from "../domain/records.ts";
import { PERIOD_SLACK_MS } from "../domain/reversals.ts";
import { currentPeriod } from "../domain/subscription.ts";
import type {
  RetrievedCustomer,
  RetrievedReversal,
  RetrievedSubscription,
  StripeGateway,
} from "../stripe/gateway/gateway.ts";
import { deletedCustomer } from "../domain/records.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type { Store } from "../store/store.ts";

/** The records that one retrieve returns, and that `sync` writes to a lane in one transaction. */
export interface Snapshot {
  /** Id of the customer to whom the records belong; null for products, prices and removed objects. */
  customerId: string | null;
  customers: CustomerRecord[];
  subscriptions: SubscriptionRecord[];
  invoices: InvoiceRecord[];
  refunds: RefundRecord[];
  disputes: DisputeRecord[];
  paymentMethods: PaymentMethodRecord[];
  products: ProductRecord[];
  prices: PriceRecord[];
  /**
   * Products and prices that were found inside other objects of Stripe. Products and prices from inside other Stripe objects
   * are written only if the mirror does not have them yet.
   */
  embedded: { products: ProductRecord[]; prices: PriceRecord[] };
  /** Ids of objects that Stripe no longer has. */
  removed: { subscription?: string; paymentMethod?: string; product?: string; price?: string };
}

export type RetrieveSource = Pick<Store, "products">;

export async function retrieve(
  gateway: StripeGateway,
  store: RetrieveSource,
  object: SyncedObject,
  id: string,
): Promise<Snapshot> {
  switch (object) {
    case "customer":
      return retrieveCustomer(gateway, id);
    case "subscription":
      return retrieveSubscription(gateway, store, id);
    case "invoice":
      return retrieveInvoice(gateway, store, id);
    case "refund": {
      const found = await gateway.retrieveRefund(id);
      return found ? reversalSnapshot(gateway, store, found, { refunds: [found.reversal] }) : emptySnapshot(null);
    }
    case "dispute": {
      const found = await gateway.retrieveDispute(id);
      return found ? reversalSnapshot(gateway, store, found, { disputes: [found.reversal] }) : emptySnapshot(null);
    }
    case "payment_method":
      return retrievePaymentMethod(gateway, id);
    case "checkout_session":
      return retrieveCheckoutSession(gateway, store, id);
    case "product":
      return retrieveProduct(gateway, id);
    case "price":
      return retrievePrice(gateway, id);
  }
}

/** Retrieves a customer with all its subscriptions. A checkout needs the customer's subscriptions before it starts. */
export async function retrieveCustomerWithSubscriptions(
  gateway: StripeGateway,
  store: RetrieveSource,
  customerId: string,
): Promise<Snapshot> {
  const customer = await retrieveCustomer(gateway, customerId);
  if (customer.customers.some(({ deleted }) => deleted)) return customer;
  const listed = await gateway.listSubscriptions(customerId);
  const snapshots = await Promise.all(listed.map((found) => toSnapshot(gateway, store, found, null)));
  return mergeSnapshots(customer, snapshots);
}

async function retrieveCustomer(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const found = await gateway.retrieveCustomer(id);
  return customerSnapshot(id, found ?? { customer: deletedCustomer(id), paymentMethod: null });
}

async function retrieveSubscription(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const found = await gateway.retrieveSubscription(id);
  return found ? toSnapshot(gateway, store, found, null) : { ...emptySnapshot(null), removed: { subscription: id } };
}

async function retrieveInvoice(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const found = await gateway.retrieveInvoiceWithSubscription(id);
  if (!found) return emptySnapshot(null);
  const { invoice, customer, subscription } = found;
  const snapshot = { ...customerSnapshot(invoice.customerId, customer), invoices: [invoice] };
  return subscription ? mergeSnapshots(snapshot, [await toSnapshot(gateway, store, subscription, invoice)]) : snapshot;
}

/**
 * Returns the snapshot of a refund or dispute. It contains the subscription and all invoices that were paid in its current
 * period, because a refund ends access only if it returns everything that the period has cost.
 */
async function reversalSnapshot(
  gateway: StripeGateway,
  store: RetrieveSource,
  { reversal, invoice }: RetrievedReversal<RefundRecord | DisputeRecord>,
  written: Partial<Pick<Snapshot, "refunds" | "disputes">>,
): Promise<Snapshot> {
  const { customerId, subscriptionId } = reversal;
  const snapshot = { ...emptySnapshot(customerId), ...written, invoices: invoice ? [invoice] : [] };
  const subscription = subscriptionId === null ? null : await gateway.retrieveSubscription(subscriptionId);
  if (!subscription) return snapshot;
  const since = (currentPeriod(subscription.subscription)?.start ?? 0) - PERIOD_SLACK_MS;
  const paid = await gateway.listPaidInvoices(subscription.subscription.id, since);
  const ofSubscription = await toSnapshot(gateway, store, subscription, invoice);
  const others = paid.filter(({ id }) => id !== invoice?.id && id !== ofSubscription.invoices[0]?.id);
  return mergeSnapshots({ ...snapshot, invoices: [...snapshot.invoices, ...others] }, [ofSubscription]);
}

async function retrievePaymentMethod(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const method = await gateway.retrievePaymentMethod(id);
  if (method?.customerId) return { ...emptySnapshot(method.customerId), paymentMethods: [method] };
  return { ...emptySnapshot(null), removed: { paymentMethod: id } };
}

async function retrieveCheckoutSession(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const session = await gateway.retrieveCheckoutSession(id);
  if (!session?.customerId) return emptySnapshot(null);
  const found = session.subscriptionId ? await gateway.retrieveSubscription(session.subscriptionId) : null;
  return found ? toSnapshot(gateway, store, found, null) : retrieveCustomer(gateway, session.customerId);
}

async function retrieveProduct(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const product = await gateway.retrieveProduct(id);
  return product
    ? { ...emptySnapshot(null), products: [product] }
    : { ...emptySnapshot(null), removed: { product: id } };
}

async function retrievePrice(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const price = await gateway.retrievePrice(id);
  return price ? { ...emptySnapshot(null), prices: [price] } : { ...emptySnapshot(null), removed: { price: id } };
}

/** Returns the snapshot of a subscription: its records, its latest invoice, and the products that the mirror lacks. */
async function toSnapshot(
  gateway: StripeGateway,
  store: RetrieveSource,
  found: RetrievedSubscription,
  knownInvoice: InvoiceRecord | null,
): Promise<Snapshot> {
  const { subscription, prices, paymentMethod } = found;
  const invoice = knownInvoice?.id === subscription.latestInvoiceId ? null : await latestInvoice(gateway, found);
  const products: ProductRecord[] = [];
  for (const productId of new Set(subscription.items.map((item) => item.productId))) {
    const product = (await store.products.hasProduct(productId)) ? null : await gateway.retrieveProduct(productId);
    if (product) products.push(product);
  }
  const customer = customerSnapshot(subscription.customerId, found.customer);
  return {
    ...customer,
    subscriptions: [subscription],
    invoices: invoice ? [invoice] : [],
    paymentMethods: [...customer.paymentMethods, ...(paymentMethod ? [paymentMethod] : [])],
    embedded: { products, prices },
  };
}

async function latestInvoice(
  gateway: StripeGateway,
  { subscription, invoice, invoiceComplete }: RetrievedSubscription,
): Promise<InvoiceRecord | null> {
  return invoiceComplete || subscription.latestInvoiceId === null
    ? invoice
    : gateway.retrieveInvoice(subscription.latestInvoiceId);
}

function customerSnapshot(id: string, found: RetrievedCustomer | null): Snapshot {
  return {
    ...emptySnapshot(id),
    customers: found ? [found.customer] : [],
    paymentMethods: found?.paymentMethod ? [found.paymentMethod] : [],
  };
}

export function emptySnapshot(customerId: string | null): Snapshot {
  return {
    customerId,
    customers: [],
    subscriptions: [],
    invoices: [],
    refunds: [],
    disputes: [],
    paymentMethods: [],
    products: [],
    prices: [],
    embedded: { products: [], prices: [] },
    removed: {},
  };
}

/** Merges several snapshots of one customer into one snapshot. */
export function mergeSnapshots(first: Snapshot, rest: readonly Snapshot[]): Snapshot {
  const all = [first, ...rest];
  return {
    ...first,
    customers: all.flatMap((one) => one.customers),
    subscriptions: all.flatMap((one) => one.subscriptions),
    invoices: all.flatMap((one) => one.invoices),
    refunds: all.flatMap((one) => one.refunds),
    disputes: all.flatMap((one) => one.disputes),
    paymentMethods: all.flatMap((one) => one.paymentMethods),
    embedded: {
      products: all.flatMap((one) => one.embedded.products),
      prices: all.flatMap((one) => one.embedded.prices),
    },
  };
}

/**
 * Returns the ids of all objects whose current state the snapshot contains. After the snapshot is written, earlier events about
 * its objects count as processed.
 */
export function coveredIds(snapshot: Snapshot): string[] {
  const { customerId, customers, subscriptions, invoices, refunds, disputes, paymentMethods } = snapshot;
  const cards = paymentMethods.filter((method) => method.customerId === customerId).map(({ id }) => id);
  // An event about a customer may report that the customer has a new card. A snapshot covers an event about a customer only if
  // the snapshot also contains the customer's card.
  const complete = customers.filter(({ defaultPaymentMethodId: card }) => card === null || cards.includes(card));
  return [...cards, ...[...complete, ...subscriptions, ...invoices, ...refunds, ...disputes].map(({ id }) => id)];
}
