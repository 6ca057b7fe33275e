/** Declares the gateway's interface: one method for each kind of request to Stripe, and the records that the methods return. */
import type { Cancellation } from "../../domain/cancellation.ts";
import type { CheckoutIntent } from "../../domain/checkout.ts";
import type { Plan, PlanPrice } from "../../domain/plans.ts";
import type {
  CheckoutSessionRecord,
  CustomerRecord,
  DisputeRecord,
  InvoiceRecord,
  PaymentMethodRecord,
  PriceRecord,
  ProductRecord,
  RefundRecord,
  SubscriptionRecord,
} from "../../domain/records.ts";
import type { CancellationEnd } from "../../domain/subscription-change.ts";
import type { OperationKey, WithKey } from "../limits/operation-key.ts";
import type { Envelope } from "../webhook/envelope.ts";

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
  quantity: number;
  /** Number of days of the trial; 0 for no trial. */
  trialDays: number;
  allowPromotionCodes: boolean;
  /** Name of the app that sells the plan; undefined if the option `app` is not set. */
  app?: string | undefined;
  operationId: string;
}

export interface RetrievedCustomer {
  customer: CustomerRecord;
  /** The customer's default payment method; null if there is none or it was not requested. */
  paymentMethod: PaymentMethodRecord | null;
}

export interface RetrievedSubscription {
  subscription: SubscriptionRecord;
  /** The subscription's customer; null if it was not requested. */
  customer: RetrievedCustomer | null;
  prices: PriceRecord[];
  paymentMethod: PaymentMethodRecord | null;
  /** The subscription's latest invoice; null if there is none or `invoiceComplete` is false. */
  invoice: InvoiceRecord | null;
  /** False if the payment state of the latest invoice is missing. Only a retrieve of the invoice returns the payment state. */
  invoiceComplete: boolean;
}

export interface RetrievedInvoice {
  invoice: InvoiceRecord;
  customer: RetrievedCustomer | null;
  /** The invoice's subscription; null if the invoice has none. */
  subscription: RetrievedSubscription | null;
}

/**
 * A range of the times at which objects were created. The range includes the instant `from` and excludes `until`. `from` and
 * `until` are epoch milliseconds in whole seconds.
 */
export interface CreatedRange {
  from: number;
  until: number;
}

/** One page of a list of Stripe, newest row first. */
export interface Page<Row> {
  rows: Row[];
  /**
   * Objects on the list page that the current version of the service can't read. `rows` does not contain the unreadable
   * objects.
   */
  unreadable: { id: string; reason: string }[];
  /** Cursor for requesting the next page of Stripe's list; null on the last page. */
  next: string | null;
  /** Creation times of the first and the last row of a list page; null on an empty page. */
  newest: number | null;
  reached: number | null;
}

export interface EndpointRecord {
  id: string;
  url: string;
  enabled: boolean;
  /** Event types that Stripe sends to the endpoint; "*" for all types. */
  events: readonly string[];
  /** API version of the endpoint; null if it uses the account's version. */
  apiVersion: string | null;
}

export interface SubscriptionCancellation {
  cancellation: Cancellation;
  end: CancellationEnd;
  merchantCancelAt: number | null;
}

export interface SubscriptionResumption {
  cancelAtPeriodEnd: boolean;
  merchantCancelAt: number | null;
}

export interface AccountCalls {
  /** Returns the id of the secret key's account; null if the key may not read its account. */
  retrieveAccountId(): Promise<string | null>;
}

export interface CustomerCalls {
  searchCustomersOfUser(userId: string): Promise<CustomerRecord[]>;
  /** Returns the Stripe customer that an operation created within a range of time; null if there is no such customer. */
  findCustomerOfOperation(operationId: string, within: CreatedRange): Promise<CustomerRecord | null>;
  /**
   * Creates a customer. Returns its id, and the names of the optional fields that were left out because Stripe refused their
   * values.
   */
  createCustomer(customer: NewCustomer, key: OperationKey): Promise<{ id: string; leftOut: string[] }>;
  retrieveCustomer(id: string): Promise<RetrievedCustomer | null>;
}

export interface CheckoutCalls {
  createCheckoutSession(session: NewCheckoutSession, key: OperationKey): Promise<CheckoutSessionRecord>;
  retrieveCheckoutSession(id: string): Promise<CheckoutSessionRecord | null>;
  findCheckoutSessionOfOperation(customerId: string, operationId: string): Promise<CheckoutSessionRecord | null>;
  /**
   * Expires a checkout session and returns the updated session. If the user has already completed the checkout session, it
   * stays complete.
   */
  expireCheckoutSession(id: string, key: OperationKey): Promise<CheckoutSessionRecord | null>;
  createPortalSession(customerId: string, returnUrl: string, key: OperationKey): Promise<{ id: string; url: string }>;
}

export interface SubscriptionCalls {
  retrieveSubscription(id: string): Promise<RetrievedSubscription | null>;
  listSubscriptions(customerId: string): Promise<RetrievedSubscription[]>;
  /**
   * Cancels a subscription now, at the end of its period, or at an instant. Writes the end that the merchant had set to the
   * subscription's metadata. Returns the scheduled end of the subscription, or null if the subscription has ended.
   */
  cancelSubscription(id: string, change: SubscriptionCancellation, key: OperationKey): Promise<number | null>;
  /**
   * Reverts the scheduled cancellation of a subscription. Clears the subscription's `cancel_at_period_end` if
   * `cancelAtPeriodEnd` is true, otherwise clears `cancel_at`. If `merchantCancelAt` is not null, sets this end instead. Returns
   * the scheduled end of the subscription, or null if it has none.
   */
  resumeSubscription(id: string, change: SubscriptionResumption, key: OperationKey): Promise<number | null>;
  /** Releases a subscription from its schedule. Does nothing if the schedule has already ended. */
  releaseSchedule(id: string, key: OperationKey): Promise<void>;
  retrieveInvoice(id: string): Promise<InvoiceRecord | null>;
  retrieveInvoiceWithSubscription(id: string): Promise<RetrievedInvoice | null>;
  retrievePaymentMethod(id: string): Promise<PaymentMethodRecord | null>;
}

/** A refund or dispute, with the invoice whose payment it takes back; the invoice is null if the payment paid no invoice. */
export interface RetrievedReversal<Reversal> {
  reversal: Reversal;
  invoice: InvoiceRecord | null;
}

/** A refund or dispute on a list page, without the invoice, which only further requests return. */
export type ListedRefund = Pick<RefundRecord, "id" | "customerId" | "status" | "amount">;
export type ListedDispute = Pick<DisputeRecord, "id" | "customerId" | "status" | "amount">;

export interface ReversalCalls {
  /** Retrieves a refund. Returns null if Stripe has no such refund, or if the refunded payment has no customer. */
  retrieveRefund(id: string): Promise<RetrievedReversal<RefundRecord> | null>;
  /** Retrieves a dispute. Returns null if Stripe has no such dispute, or if the disputed payment has no customer. */
  retrieveDispute(id: string): Promise<RetrievedReversal<DisputeRecord> | null>;
  /** Lists the paid invoices of a subscription that were created since an instant. */
  listPaidInvoices(subscriptionId: string, since: number): Promise<InvoiceRecord[]>;
  /** Lists refunds. Leaves out refunds of payments without a customer. */
  listRefundPage(range: CreatedRange, after: string | null): Promise<Page<ListedRefund>>;
  /** Lists disputes. Leaves out disputes about payments without a customer. */
  listDisputePage(range: CreatedRange, after: string | null): Promise<Page<ListedDispute>>;
}

/**
 * The gateway's methods that list objects of Stripe. Each call of a list method returns one page of Stripe's list, so that the
 * caller decides when to request the next page.
 */
export interface ListCalls {
  /** Lists events of at most 20 types. */
  listEventPage(types: readonly string[], range: CreatedRange, after: string | null): Promise<Page<Envelope>>;
  /**
   * Lists customers. A list page starts after the customer `after`. Returns null if this customer was deleted, because Stripe
   * then rejects the request.
   */
  listCustomerPage(range: CreatedRange, after: string | null): Promise<Page<RetrievedCustomer> | null>;
  listSubscriptionPage(range: CreatedRange, after: string | null): Promise<Page<RetrievedSubscription>>;
  /** Lists the ids and statuses of subscriptions that have not ended. A final status may occur in the list. */
  listUnendedSubscriptionPage(
    range: CreatedRange,
    after: string | null,
  ): Promise<Page<{ id: string; status: string }> | null>;
  /**
   * Lists subscriptions whose current period started since an instant, each with its customer. The list also includes
   * subscriptions that have ended.
   */
  listRenewedPage(since: number, after: string | null): Promise<Page<RetrievedSubscription>>;
  listOpenInvoicePage(range: CreatedRange, after: string | null): Promise<Page<{ id: string; customerId: string }>>;
  listEndpoints(): Promise<EndpointRecord[]>;
}

export interface ListedPrice extends PriceRecord {
  /** Name of the app in the metadata of the price's product; null if the metadata names no app. */
  productApp: string | null;
}

export interface ProductCalls {
  retrieveProduct(id: string): Promise<ProductRecord | null>;
  retrievePrice(id: string): Promise<PriceRecord | null>;
  listProducts(): Promise<ProductRecord[]>;
  listPricesByLookupKey(keys: readonly string[]): Promise<ListedPrice[]>;
  createProduct(plan: Plan, key: OperationKey): Promise<ProductRecord>;
  renameProduct(id: string, name: string, key: OperationKey): Promise<void>;
  createPrice(plan: Plan, price: PlanPrice, productId: string, key: OperationKey): Promise<PriceRecord>;
}

/**
 * The gateway: one method for each kind of request to Stripe. Methods named `retrieve…` return null if Stripe has no such
 * object. Each method that writes takes the idempotency key of its operation. All errors that the methods throw are of the type
 * `TollkeeperError`.
 */
export interface StripeGateway
  extends AccountCalls, CustomerCalls, CheckoutCalls, SubscriptionCalls, ReversalCalls, ListCalls, ProductCalls {}

/** The values that all methods of the gateway need, in addition to the SDK. */
export interface CallContext {
  /** Metadata key of Stripe's customers that holds the user's id. */
  userIdKey: string;
  withKey: WithKey;
}

/** Page size of all lists: the largest that Stripe allows. */
export const PAGE_SIZE = 100;
/** Maximum number of rows that a single call reads from a list. */
export const MAX_LISTED = 10_000;
