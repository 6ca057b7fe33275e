/** The one way to Stripe: our verbs, our records, our errors, over the official SDK. */
import Stripe from "stripe";
import type { CheckoutIntent } from "../../domain/checkout.ts";
import { lookupKey, type Plan, type PlanPrice } from "../../domain/plans.ts";
import type {
  CheckoutSessionRecord,
  CustomerRecord,
  InvoiceRecord,
  Mode,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  SubscriptionRecord,
} from "../../domain/records.ts";
import { parseEnvelope, type Envelope } from "../webhook/envelope.ts";
import { guarded, guardedOrNull, isCursorGone } from "./stripe-errors.ts";
import { watchKeys, type OperationKey, type UnderKey } from "../limits/operation-key.ts";
import * as records from "../records.ts";

/** The API version that every request and record here is written for. */
export const STRIPE_API_VERSION = "2026-10-28.endive";

const TIMEOUT_MS = 20_000;
const PAGE_SIZE = 100;
/** Bounds every walk through a list that is read whole. */
const MAX_LISTED = 10_000;

export interface GatewayOptions {
  secretKey: string;
  mode: Mode;
  /** Metadata name under which a customer carries our user's id. */
  userIdKey: string;
  /** Replaces https://api.stripe.com, for the emulator. */
  apiBase?: string | undefined;
  /** The network; the emulator's fetch function in tests. */
  fetch?: typeof fetch | undefined;
  /** Retries of one request by the SDK, on connection failures, 409, 429 and 5xx. */
  networkRetries: number;
  version: string;
  /** Wall time, epoch milliseconds. */
  now: () => number;
}

export interface NewCustomer {
  userId: string;
  email: string | null;
  name: string | null;
  operationId: string;
}

export interface NewCheckoutSession extends CheckoutIntent {
  userId: string;
  customerId: string;
  priceId: string;
  trialDays: number;
  allowPromotionCodes: boolean;
  operationId: string;
}

/** A customer, with its default card where that was asked for. */
export interface RetrievedCustomer {
  customer: CustomerRecord;
  paymentMethod: PaymentMethodRecord | null;
}

/** A subscription with what came along. */
export interface RetrievedSubscription {
  subscription: SubscriptionRecord;
  /** Null where it was not asked for. */
  customer: RetrievedCustomer | null;
  prices: PriceRecord[];
  paymentMethod: PaymentMethodRecord | null;
  /** The latest; null where there is none, and where only its own retrieve tells how its payment stands. */
  invoice: InvoiceRecord | null;
  /** Whether the latest invoice needs no retrieve of its own. */
  whole: boolean;
}

/** An invoice with its customer and the subscription that it is for. */
export interface RetrievedInvoice {
  invoice: InvoiceRecord;
  customer: RetrievedCustomer | null;
  /** Null where it is for none. */
  subscription: RetrievedSubscription | null;
}

/** Objects made from an instant on and before another, both epoch milliseconds in whole seconds. */
export interface CreatedRange {
  from: number;
  until: number;
}

/** One page of a list, newest first. */
export interface Page<Row> {
  rows: Row[];
  /** What this version can't read: the others are not held up by it. */
  unreadable: { id: string; reason: string }[];
  /** Where the next page goes on; null at the end. */
  next: string | null;
  /** When the page's first and last rows were made; null for an empty page. */
  newest: number | null;
  reached: number | null;
}

/** A webhook endpoint, as far as it concerns us. */
export interface EndpointRecord {
  id: string;
  url: string;
  enabled: boolean;
  /** Event types it is sent; "*" for all. */
  events: readonly string[];
  /** Null where it follows the account's version. */
  apiVersion: string | null;
}

export interface Cancellation {
  reason?: CancellationReason | undefined;
  comment?: string | undefined;
}

export type CancellationReason =
  | "customer_service"
  | "low_quality"
  | "missing_features"
  | "other"
  | "switched_service"
  | "too_complex"
  | "too_expensive"
  | "unused";

/** `retrieve…` answers null where Stripe has no such object. Every write takes the operation's idempotency key. */
export interface StripeGateway {
  searchCustomersOfUser(userId: string): Promise<CustomerRecord[]>;
  /** `within`: when it was created, if it was. */
  findCustomerOfOperation(operationId: string, within: CreatedRange): Promise<CustomerRecord | null>;
  createCustomer(customer: NewCustomer, key: OperationKey): Promise<CustomerRecord>;
  retrieveCustomer(id: string): Promise<RetrievedCustomer | null>;

  createCheckoutSession(session: NewCheckoutSession, key: OperationKey): Promise<CheckoutSessionRecord>;
  retrieveCheckoutSession(id: string): Promise<CheckoutSessionRecord | null>;
  findCheckoutSessionOfOperation(customerId: string, operationId: string): Promise<CheckoutSessionRecord | null>;
  /** Answers the session as it is afterwards: one that completed meanwhile stays complete. */
  expireCheckoutSession(id: string, key: OperationKey): Promise<CheckoutSessionRecord | null>;
  createPortalSession(customerId: string, returnUrl: string, key: OperationKey): Promise<{ id: string; url: string }>;

  retrieveSubscription(id: string): Promise<RetrievedSubscription | null>;
  listSubscriptions(customerId: string): Promise<RetrievedSubscription[]>;
  cancelSubscription(id: string, cancellation: Cancellation, key: OperationKey): Promise<void>;
  /** `cancelAtPeriodEnd` says which of the two ways of ending is to be undone: that, or a date. */
  resumeSubscription(id: string, cancelAtPeriodEnd: boolean, key: OperationKey): Promise<void>;

  /** Events of these types, at most 20. */
  listEventPage(types: readonly string[], range: CreatedRange, after: string | null): Promise<Page<Envelope>>;
  /** Null where the customer `after` is gone: Stripe knows no place of what was deleted. */
  listCustomerPage(range: CreatedRange, after: string | null): Promise<Page<RetrievedCustomer> | null>;
  listSubscriptionPage(range: CreatedRange, after: string | null): Promise<Page<RetrievedSubscription>>;
  /** Subscriptions whose period has begun since an instant, those that have ended too, each with its customer. */
  listRenewedPage(since: number, after: string | null): Promise<Page<RetrievedSubscription>>;
  /** Ids and customers of invoices that are to be paid. */
  listOpenInvoicePage(range: CreatedRange, after: string | null): Promise<Page<{ id: string; customerId: string }>>;
  listEndpoints(): Promise<EndpointRecord[]>;

  retrieveInvoice(id: string): Promise<InvoiceRecord | null>;
  retrieveInvoiceWithSubscription(id: string): Promise<RetrievedInvoice | null>;
  retrievePaymentMethod(id: string): Promise<PaymentMethodRecord | null>;
  retrieveProduct(id: string): Promise<ProductRecord | null>;
  retrievePrice(id: string): Promise<PriceRecord | null>;
  listProducts(): Promise<ProductRecord[]>;
  listPricesByLookupKey(keys: readonly string[]): Promise<PriceRecord[]>;
  createProduct(plan: Plan, key: OperationKey): Promise<ProductRecord>;
  renameProduct(id: string, name: string, key: OperationKey): Promise<void>;
  createPrice(plan: Plan, price: PlanPrice, productId: string, key: OperationKey): Promise<PriceRecord>;
}

export function createStripeGateway(options: GatewayOptions): StripeGateway {
  const keys = watchKeys(options.fetch ?? fetch, options.now);
  const stripe = connect({ ...options, fetch: keys.fetch });
  const given: Given = { userIdKey: options.userIdKey, underKey: keys.underKey };
  return {
    ...customers(stripe, given),
    ...checkout(stripe, given),
    ...subscriptions(stripe, given),
    ...lists(stripe, options),
    ...catalog(stripe, given),
  };
}

/** What the calls need beside the SDK. */
interface Given {
  userIdKey: string;
  underKey: UnderKey;
}

function connect(options: GatewayOptions & { fetch: typeof fetch }): Stripe {
  const base = options.apiBase ? new URL(options.apiBase) : null;
  return new Stripe(options.secretKey, {
    apiVersion: STRIPE_API_VERSION,
    maxNetworkRetries: options.networkRetries,
    timeout: TIMEOUT_MS,
    telemetry: false,
    appInfo: { name: "tollkeeper", version: options.version },
    httpClient: Stripe.createFetchHttpClient(options.fetch),
    ...(base && {
      host: base.hostname,
      port: base.port === "" ? (base.protocol === "https:" ? 443 : 80) : Number(base.port),
      protocol: base.protocol === "https:" ? ("https" as const) : ("http" as const),
    }),
  });
}

/** Our clock and Stripe's may differ a little. */
const CLOCK_SLACK_SECONDS = 300;

const CARD_OF_CUSTOMER = "invoice_settings.default_payment_method";

type CustomerCalls = Pick<
  StripeGateway,
  "searchCustomersOfUser" | "findCustomerOfOperation" | "createCustomer" | "retrieveCustomer"
>;

function customers(stripe: Stripe, { userIdKey, underKey }: Given): CustomerCalls {
  return {
    searchCustomersOfUser: (userId) =>
      guarded(async () => {
        const query = `metadata['${escapeQuery(userIdKey)}']:'${escapeQuery(userId)}'`;
        const found = await stripe.customers.search({ query, limit: PAGE_SIZE });
        // The index lags: it may still hold customers that were deleted, or whose metadata has changed.
        return found.data
          .toSorted((a, b) => a.created - b.created)
          .map((customer) => records.toCustomer(customer, userIdKey))
          .filter((customer) => !customer.deleted && customer.userId === userId);
      }),

    findCustomerOfOperation: (operationId, { from, until }) =>
      guarded(async () => {
        const created = {
          gte: Math.floor(from / 1000) - CLOCK_SLACK_SECONDS,
          lte: Math.ceil(until / 1000) + CLOCK_SLACK_SECONDS,
        };
        const listed = await stripe.customers
          .list({ created, limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        const found = listed.find((customer) => customer.metadata[records.OPERATION_METADATA] === operationId);
        return found ? records.toCustomer(found, userIdKey) : null;
      }),

    createCustomer: (customer, key) =>
      guarded(async () => {
        const metadata = { [userIdKey]: customer.userId, [records.OPERATION_METADATA]: customer.operationId };
        const params = {
          metadata,
          ...(customer.email !== null && { email: customer.email }),
          ...(customer.name !== null && { name: customer.name }),
        };
        const created = await underKey(key, (options) => stripe.customers.create(params, options));
        return records.toCustomer(created, userIdKey);
      }),

    retrieveCustomer: (id) =>
      guardedOrNull(async () => {
        const customer = await stripe.customers.retrieve(id, { expand: [CARD_OF_CUSTOMER] });
        return toRetrievedCustomer(customer, userIdKey);
      }),
  };
}

type CheckoutCalls = Pick<
  StripeGateway,
  | "createCheckoutSession"
  | "retrieveCheckoutSession"
  | "findCheckoutSessionOfOperation"
  | "expireCheckoutSession"
  | "createPortalSession"
>;

function checkout(stripe: Stripe, { userIdKey, underKey }: Given): CheckoutCalls {
  const retrieve = async (id: string) => records.toCheckoutSession(await stripe.checkout.sessions.retrieve(id));
  return {
    createCheckoutSession: (session, key) =>
      guarded(async () => {
        const params = sessionParams(session, userIdKey);
        return records.toCheckoutSession(
          await underKey(key, (options) => stripe.checkout.sessions.create(params, options)),
        );
      }),

    retrieveCheckoutSession: (id) => guardedOrNull(() => retrieve(id)),

    findCheckoutSessionOfOperation: (customerId, operationId) =>
      guarded(async () => {
        const listed = await stripe.checkout.sessions
          .list({ customer: customerId, limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        const found = listed.find((session) => session.metadata?.[records.OPERATION_METADATA] === operationId);
        return found ? records.toCheckoutSession(found) : null;
      }),

    expireCheckoutSession: async (id, key) => {
      try {
        const expired = await guarded(() =>
          underKey(key, (options) => stripe.checkout.sessions.expire(id, {}, options)),
        );
        return records.toCheckoutSession(expired);
      } catch (error) {
        // Only an open session can be expired; what it has become meanwhile is the answer.
        const current = await guardedOrNull(() => retrieve(id));
        if (current?.status === "open") throw error;
        return current;
      }
    },

    createPortalSession: (customerId, returnUrl, key) =>
      guarded(async () => {
        const params = { customer: customerId, return_url: returnUrl };
        const session = await underKey(key, (options) => stripe.billingPortal.sessions.create(params, options));
        return { id: session.id, url: session.url };
      }),
  };
}

function sessionParams(session: NewCheckoutSession, userIdKey: string): Stripe.Checkout.SessionCreateParams {
  const metadata = {
    [userIdKey]: session.userId,
    [records.PLAN_METADATA]: session.plan,
    [records.OPERATION_METADATA]: session.operationId,
  };
  return {
    mode: "subscription",
    customer: session.customerId,
    client_reference_id: session.userId,
    line_items: [{ price: session.priceId, quantity: 1 }],
    success_url: session.successUrl,
    cancel_url: session.cancelUrl,
    metadata,
    subscription_data: { metadata, ...(session.trialDays > 0 && { trial_period_days: session.trialDays }) },
    ...(session.allowPromotionCodes && { allow_promotion_codes: true }),
  };
}

type SubscriptionCalls = Pick<
  StripeGateway,
  | "retrieveSubscription"
  | "listSubscriptions"
  | "cancelSubscription"
  | "resumeSubscription"
  | "retrieveInvoice"
  | "retrieveInvoiceWithSubscription"
  | "retrievePaymentMethod"
>;

/**
 * What comes along with a subscription, wherever it is asked for; beside it the customer, whose own card does not: a customer
 * that is deleted has no such field to expand.
 */
const AROUND = ["default_payment_method", "latest_invoice"];
const PAYMENT_OF_INVOICE = "payments.data.payment.payment_intent";
const SUBSCRIPTION_OF_INVOICE = "parent.subscription_details.subscription";

function subscriptions(stripe: Stripe, { userIdKey, underKey }: Given): SubscriptionCalls {
  return {
    retrieveSubscription: (id) =>
      guardedOrNull(async () => {
        const expand = [...AROUND, "customer"];
        const subscription = await stripe.subscriptions.retrieve(id, { expand });
        return {
          ...(await toRetrieved(stripe, subscription)),
          customer: toExpandedCustomer(subscription.customer, userIdKey),
        };
      }),

    listSubscriptions: (customerId) =>
      guarded(async () => {
        const expand = AROUND.map((name) => `data.${name}`);
        const listed = await stripe.subscriptions
          .list({ customer: customerId, status: "all", limit: PAGE_SIZE, expand })
          .autoPagingToArray({ limit: MAX_LISTED });
        return Promise.all(listed.map((subscription) => toRetrieved(stripe, subscription)));
      }),

    cancelSubscription: (id, { reason, comment }, key) =>
      guarded(async () => {
        const details = { ...(reason && { feedback: reason }), ...(comment && { comment }) };
        const params = { cancel_at_period_end: true, ...((reason ?? comment) && { cancellation_details: details }) };
        await underKey(key, (options) => stripe.subscriptions.update(id, params, options));
      }),

    resumeSubscription: (id, cancelAtPeriodEnd, key) =>
      guarded(async () => {
        const params = cancelAtPeriodEnd ? { cancel_at_period_end: false } : { cancel_at: "" as const };
        await underKey(key, (options) => stripe.subscriptions.update(id, params, options));
      }),

    retrieveInvoice: (id) =>
      guardedOrNull(async () =>
        records.toInvoice(await stripe.invoices.retrieve(id, { expand: [PAYMENT_OF_INVOICE] })),
      ),

    retrieveInvoiceWithSubscription: (id) =>
      guardedOrNull(async () => {
        const around = AROUND.map((name) => `${SUBSCRIPTION_OF_INVOICE}.${name}`);
        const expand = [PAYMENT_OF_INVOICE, ...around, "customer"];
        const invoice = await stripe.invoices.retrieve(id, { expand });
        const subscription = invoice.parent?.subscription_details?.subscription;
        const isThere = typeof subscription === "object" && subscription !== null;
        return {
          invoice: records.toInvoice(invoice),
          customer: toExpandedCustomer(invoice.customer, userIdKey),
          subscription: isThere ? await toRetrieved(stripe, subscription) : null,
        };
      }),

    retrievePaymentMethod: (id) =>
      guardedOrNull(async () => records.toPaymentMethod(await stripe.paymentMethods.retrieve(id))),
  };
}

type ListCalls = Pick<
  StripeGateway,
  | "listEventPage"
  | "listCustomerPage"
  | "listSubscriptionPage"
  | "listRenewedPage"
  | "listOpenInvoicePage"
  | "listEndpoints"
>;

/** Whole lists, a page a call: whoever reads them decides when the next page is asked for. */
function lists(stripe: Stripe, { userIdKey }: GatewayOptions): ListCalls {
  const listSubscriptions = async (
    within: Stripe.SubscriptionListParams,
    after: string | null,
    around: readonly string[] = AROUND,
  ) => {
    const expand = around.map((name) => `data.${name}`);
    const list = await stripe.subscriptions.list({ ...pageParams(after), ...within, status: "all", expand });
    return toPage(list, async (subscription) => ({
      ...(await toRetrieved(stripe, subscription)),
      customer: toExpandedCustomer(subscription.customer, userIdKey),
    }));
  };
  return {
    listEventPage: (types, range, after) =>
      guarded(async () => {
        const list = await stripe.events.list({ ...pageParams(after), ...createdIn(range), types: [...types] });
        const page = await toPage(list, (event) => parseEnvelope(event));
        return { ...page, rows: page.rows.filter((envelope) => envelope !== null) };
      }),

    listCustomerPage: (range, after) =>
      guardedOrNull(async () => {
        const expand = [`data.${CARD_OF_CUSTOMER}`];
        const list = await stripe.customers.list({ ...pageParams(after), ...createdIn(range), expand });
        return toPage(list, (customer) => toRetrievedCustomer(customer, userIdKey));
      }, isCursorGone),

    listSubscriptionPage: (range, after) => guarded(() => listSubscriptions(createdIn(range), after)),

    listRenewedPage: (since, after) =>
      guarded(() => {
        const current_period_start = { gte: Math.floor(since / 1000) };
        return listSubscriptions({ current_period_start }, after, [...AROUND, "customer"]);
      }),

    listOpenInvoicePage: (range, after) =>
      guarded(async () => {
        const list = await stripe.invoices.list({ ...pageParams(after), ...createdIn(range), status: "open" });
        return toPage(list, (invoice) => {
          const { id, customerId } = records.toInvoice(invoice);
          return { id, customerId };
        });
      }),

    listEndpoints: () =>
      guarded(async () => {
        const listed = await stripe.webhookEndpoints
          .list({ limit: PAGE_SIZE })
          .autoPagingToArray({ limit: MAX_LISTED });
        return listed.map((endpoint) => ({
          id: endpoint.id,
          url: endpoint.url,
          enabled: endpoint.status === "enabled",
          events: endpoint.enabled_events,
          apiVersion: endpoint.api_version,
        }));
      }),
  };
}

function pageParams(after: string | null) {
  return { limit: PAGE_SIZE, ...(after !== null && { starting_after: after }) };
}

function createdIn({ from, until }: CreatedRange) {
  return { created: { gte: Math.floor(from / 1000), lt: Math.ceil(until / 1000) } };
}

async function toPage<Listed extends { id: string; created: number }, Row>(
  { data, has_more: more }: Stripe.ApiList<Listed>,
  toRow: (listed: Listed) => Row | Promise<Row>,
): Promise<Page<Row>> {
  const [first] = data;
  const last = data.at(-1);
  const unreadable: Page<Row>["unreadable"] = [];
  const read = async (listed: Listed): Promise<Row[]> => {
    try {
      return [await toRow(listed)];
    } catch (error) {
      // Stripe could not be asked for the rest of it: that is an outage, and no fault of the object.
      if (error instanceof Stripe.errors.StripeError) throw error;
      unreadable.push({ id: listed.id, reason: error instanceof Error ? error.message : String(error) });
      return [];
    }
  };
  return {
    rows: (await Promise.all(data.map(read))).flat(),
    unreadable,
    next: more ? (last?.id ?? null) : null,
    newest: first ? records.instant(first.created) : null,
    reached: last ? records.instant(last.created) : null,
  };
}

/** Null where it is an id alone. */
function toExpandedCustomer(
  customer: Stripe.Subscription["customer"] | Stripe.Invoice["customer"],
  userIdKey: string,
): RetrievedCustomer | null {
  return typeof customer === "object" && customer !== null ? toRetrievedCustomer(customer, userIdKey) : null;
}

function toRetrievedCustomer(customer: Stripe.Customer | Stripe.DeletedCustomer, userIdKey: string): RetrievedCustomer {
  const method = customer.deleted ? null : customer.invoice_settings.default_payment_method;
  return {
    customer: records.toCustomer(customer, userIdKey),
    paymentMethod: typeof method === "object" && method !== null ? records.toPaymentMethod(method) : null,
  };
}

/** An invoice that is paid, or is not to be paid yet, needs no word from its payment intent. */
async function toRetrieved(stripe: Stripe, subscription: Stripe.Subscription): Promise<RetrievedSubscription> {
  const items = await allItems(stripe, subscription);
  const method = subscription.default_payment_method;
  const invoice = subscription.latest_invoice;
  const tellsAll =
    typeof invoice === "object" && invoice !== null && (invoice.status === "paid" || invoice.status === "draft");
  return {
    subscription: records.toSubscription(subscription, items),
    customer: null,
    prices: items.map((item) => records.toPrice(item.price)),
    paymentMethod: typeof method === "object" && method !== null ? records.toPaymentMethod(method) : null,
    invoice: tellsAll ? records.toInvoice(invoice) : null,
    whole: tellsAll || invoice === null,
  };
}

/** Those inside a subscription are cut after the first page. */
async function allItems(stripe: Stripe, { id, items }: Stripe.Subscription): Promise<Stripe.SubscriptionItem[]> {
  if (!items.has_more) return items.data;
  return stripe.subscriptionItems.list({ subscription: id, limit: PAGE_SIZE }).autoPagingToArray({ limit: MAX_LISTED });
}

type CatalogCalls = Pick<
  StripeGateway,
  | "retrieveProduct"
  | "retrievePrice"
  | "listProducts"
  | "listPricesByLookupKey"
  | "createProduct"
  | "renameProduct"
  | "createPrice"
>;

/** Stripe takes at most ten lookup keys in one list request. */
const LOOKUP_KEYS_PER_LIST = 10;

function catalog(stripe: Stripe, { underKey }: Pick<Given, "underKey">): CatalogCalls {
  return {
    retrieveProduct: (id) => guardedOrNull(async () => records.toProduct(await stripe.products.retrieve(id))),
    retrievePrice: (id) => guardedOrNull(async () => records.toPrice(await stripe.prices.retrieve(id))),

    listProducts: () =>
      guarded(async () => {
        const listed = await stripe.products.list({ limit: PAGE_SIZE }).autoPagingToArray({ limit: MAX_LISTED });
        return listed.map(records.toProduct);
      }),

    listPricesByLookupKey: (keys) =>
      guarded(async () => {
        const found: PriceRecord[] = [];
        for (let start = 0; start < keys.length; start += LOOKUP_KEYS_PER_LIST) {
          const lookup_keys = keys.slice(start, start + LOOKUP_KEYS_PER_LIST);
          const page = await stripe.prices.list({ lookup_keys, limit: PAGE_SIZE });
          found.push(...page.data.map(records.toPrice));
        }
        return found;
      }),

    createProduct: (plan, key) =>
      guarded(async () => {
        const params = {
          name: plan.name,
          metadata: { [records.PLAN_METADATA]: plan.id },
          ...(plan.description !== null && { description: plan.description }),
        };
        return records.toProduct(await underKey(key, (options) => stripe.products.create(params, options)));
      }),

    renameProduct: (id, name, key) =>
      guarded(async () => {
        await underKey(key, (options) => stripe.products.update(id, { name }, options));
      }),

    createPrice: (plan, price, productId, key) =>
      guarded(async () => {
        const params = {
          product: productId,
          unit_amount: price.amount,
          currency: price.currency,
          recurring: { interval: price.interval },
          lookup_key: lookupKey(plan.id, price.interval),
          transfer_lookup_key: true,
          metadata: { [records.PLAN_METADATA]: plan.id },
        };
        const created = await underKey(key, (options) => stripe.prices.create(params, options));
        return records.toPrice(created);
      }),
  };
}

/** @see https://docs.stripe.com/search#search-query-language */
function escapeQuery(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("'", "\\'");
}
