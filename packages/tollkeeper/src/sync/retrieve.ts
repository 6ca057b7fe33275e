/** Asks Stripe what is true now about one object, and about what the mirror needs around it. */
import type {
  CustomerRecord,
  InvoiceRecord,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../domain/records.ts";
import type { SyncedObject } from "../stripe/webhook/event-types.ts";
import type { RetrievedCustomer, RetrievedSubscription, StripeGateway } from "../stripe/gateway/gateway.ts";
import type { Store } from "../store/open-store.ts";

/** What was retrieved together. `customerId` is null for objects that belong to nobody. */
export interface Snapshot {
  customerId: string | null;
  customers: CustomerRecord[];
  subscriptions: SubscriptionRecord[];
  invoices: InvoiceRecord[];
  paymentMethods: PaymentMethodRecord[];
  products: ProductRecord[];
  prices: PriceRecord[];
  /** Seen inside another object: written only where the mirror has none. */
  seen: { products: ProductRecord[]; prices: PriceRecord[] };
  removed: { subscription?: string; paymentMethod?: string; product?: string; price?: string };
}

export type RetrieveSource = Pick<Store, "catalog">;

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

/** The customer with all its subscriptions: what a checkout must know before it starts. */
export async function retrieveWholeCustomer(
  gateway: StripeGateway,
  store: RetrieveSource,
  customerId: string,
): Promise<Snapshot> {
  const customer = await retrieveCustomer(gateway, customerId);
  if (customer.customers.some(({ deleted }) => deleted)) return customer;
  const listed = await gateway.listSubscriptions(customerId);
  return merge(customer, await Promise.all(listed.map((found) => aroundSubscription(gateway, store, found, null))));
}

async function retrieveCustomer(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const gone: CustomerRecord = { id, userId: null, deleted: true, defaultPaymentMethodId: null };
  return ofCustomer(id, (await gateway.retrieveCustomer(id)) ?? { customer: gone, paymentMethod: null });
}

async function retrieveSubscription(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const found = await gateway.retrieveSubscription(id);
  return found ? aroundSubscription(gateway, store, found, null) : { ...empty(null), removed: { subscription: id } };
}

async function retrieveInvoice(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const found = await gateway.retrieveInvoiceWithSubscription(id);
  if (!found) return empty(null);
  const { invoice, customer, subscription } = found;
  const alone = { ...ofCustomer(invoice.customerId, customer), invoices: [invoice] };
  return subscription ? merge(alone, [await aroundSubscription(gateway, store, subscription, invoice)]) : alone;
}

async function retrievePaymentMethod(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const method = await gateway.retrievePaymentMethod(id);
  if (method?.customerId) return { ...empty(method.customerId), paymentMethods: [method] };
  return { ...empty(null), removed: { paymentMethod: id } };
}

async function retrieveCheckoutSession(gateway: StripeGateway, store: RetrieveSource, id: string): Promise<Snapshot> {
  const session = await gateway.retrieveCheckoutSession(id);
  if (!session?.customerId) return empty(null);
  const found = session.subscriptionId ? await gateway.retrieveSubscription(session.subscriptionId) : null;
  return found ? aroundSubscription(gateway, store, found, null) : retrieveCustomer(gateway, session.customerId);
}

async function retrieveProduct(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const product = await gateway.retrieveProduct(id);
  return product ? { ...empty(null), products: [product] } : { ...empty(null), removed: { product: id } };
}

async function retrievePrice(gateway: StripeGateway, id: string): Promise<Snapshot> {
  const price = await gateway.retrievePrice(id);
  return price ? { ...empty(null), prices: [price] } : { ...empty(null), removed: { price: id } };
}

/** A subscription with its latest invoice and the products that the mirror does not know yet. */
async function aroundSubscription(
  gateway: StripeGateway,
  store: RetrieveSource,
  found: RetrievedSubscription,
  knownInvoice: InvoiceRecord | null,
): Promise<Snapshot> {
  const { subscription, prices, paymentMethod } = found;
  const invoice = knownInvoice?.id === subscription.latestInvoiceId ? null : await latestInvoice(gateway, found);
  const products: ProductRecord[] = [];
  for (const productId of new Set(subscription.items.map((item) => item.productId))) {
    const product = (await store.catalog.hasProduct(productId)) ? null : await gateway.retrieveProduct(productId);
    if (product) products.push(product);
  }
  const customer = ofCustomer(subscription.customerId, found.customer);
  return {
    ...customer,
    subscriptions: [subscription],
    invoices: invoice ? [invoice] : [],
    paymentMethods: [...customer.paymentMethods, ...(paymentMethod ? [paymentMethod] : [])],
    seen: { products, prices },
  };
}

async function latestInvoice(
  gateway: StripeGateway,
  { subscription, invoice, whole }: RetrievedSubscription,
): Promise<InvoiceRecord | null> {
  return whole || subscription.latestInvoiceId === null
    ? invoice
    : gateway.retrieveInvoice(subscription.latestInvoiceId);
}

/** Ids of what the snapshot tells of its lane: a hint about one of these that had come before is answered. */
export function toldBy({ customerId, customers, subscriptions, invoices, paymentMethods }: Snapshot): string[] {
  const cards = paymentMethods.filter((method) => method.customerId === customerId).map(({ id }) => id);
  // A hint about a customer may be about its new card.
  const whole = customers.filter(({ defaultPaymentMethodId: card }) => card === null || cards.includes(card));
  return [...cards, ...[...whole, ...subscriptions, ...invoices].map(({ id }) => id)];
}

function ofCustomer(id: string, found: RetrievedCustomer | null): Snapshot {
  return {
    ...empty(id),
    customers: found ? [found.customer] : [],
    paymentMethods: found?.paymentMethod ? [found.paymentMethod] : [],
  };
}

function merge(first: Snapshot, rest: readonly Snapshot[]): Snapshot {
  const all = [first, ...rest];
  return {
    ...first,
    customers: all.flatMap((one) => one.customers),
    subscriptions: all.flatMap((one) => one.subscriptions),
    invoices: all.flatMap((one) => one.invoices),
    paymentMethods: all.flatMap((one) => one.paymentMethods),
    seen: {
      products: all.flatMap((one) => one.seen.products),
      prices: all.flatMap((one) => one.seen.prices),
    },
  };
}

export function empty(customerId: string | null): Snapshot {
  return {
    customerId,
    customers: [],
    subscriptions: [],
    invoices: [],
    paymentMethods: [],
    products: [],
    prices: [],
    seen: { products: [], prices: [] },
    removed: {},
  };
}
