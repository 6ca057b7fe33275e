/** Defines the emulator's state as plain values, and the context in which code reads and changes the state. */
import type { ClockMove } from "./clock-move.ts";
import type { StripeEvent } from "../objects/event.ts";
import type { DeliveryFault, Fault } from "./fault-schemas.ts";
import type {
  CheckoutOrder,
  Delivery,
  EndpointSecret,
  PendingChange,
  PendingEvent,
  StoredResponse,
  Timers,
} from "./records.ts";
import { type CompleteTaxSettings, parseTaxSettings } from "./tax-settings.ts";
import { emptyTables, type Tables } from "./tables.ts";
import type { Transaction } from "./transaction.ts";

/** The API version of all responses. */
export const API_VERSION = "2026-10-28.endive";

/** The data of one Stripe account in the emulator. Each API key has its own Stripe account. */
export interface Account {
  /** The text after `sk_test_` of the API key. The ID of a connected account is `<ID of its platform>/<ID after acct_>`. */
  id: string;
  tables: Tables;
  timers: Timers;
  deliveries: Map<string, Delivery>;
  /** Maps an event ID to the IDs of the event's deliveries. */
  deliveriesByEvent: Map<string, string[]>;
  idempotentResponses: Map<string, StoredResponse>;
  /** Maps the ID of a payment method to the card number of the payment method's test card. */
  cardNumbers: Map<string, string>;
  /** Maps a checkout session ID to the session's order: items, discounts, trial and payment. */
  checkoutOrders: Map<string, CheckoutOrder>;
  /**
   * Maps a webhook endpoint ID to its signing secrets: first the current secret, then older secrets that have not
   * expired.
   */
  endpointSecrets: Map<string, EndpointSecret[]>;
  /** Maps a customer ID to the IDs of the customer's active entitlements. */
  entitlementsByCustomer: Map<string, string[]>;
  /** The IDs of payment methods that were detached from a customer. They can't be used again. */
  detachedMethods: Map<string, true>;
  /** Maps a customer ID to the IP address that the customer's tax location may come from. */
  taxIpAddresses: Map<string, string>;
  /** Maps a product feature ID to its product ID, which the API does not return. */
  productByFeature: Map<string, string>;
  /** Maps a subscription ID to the change that takes effect when the change's invoice is paid. */
  pendingChanges: Map<string, PendingChange>;
  /**
   * Maps an invoice ID to the ID of its `invoice.created` event. An invoice is finalized only after the delivery of its
   * `invoice.created` event.
   */
  createdEventByInvoice: Map<string, string>;
  /** Maps the ID of a portal session to its last use. Sessions expire. */
  portalUses: Map<string, PortalUse>;
  /** Maps a webhook endpoint ID to its payload style: "snapshot" sends whole objects, "thin" sends thin events. */
  payloadStyles: Map<string, "snapshot" | "thin">;
  /** Maps an operation and a parameter to the number of times that the parameter was ignored. */
  ignoredParams: Map<string, number>;
  /** Maps an API version other than the pinned version to the number of requests that named it. */
  otherVersions: Map<string, number>;
}

/** The last use of a portal session: its creation, or the last time that a customer opened one of its pages. */
export interface PortalUse {
  /** Virtual time in epoch seconds. */
  at: number;
  opened: boolean;
}

/** @see https://docs.stripe.com/billing/revenue-recovery/smart-retries#failed-payment-options */
export const AFTER_RETRIES = ["cancel", "unpaid", "past_due", "pause"] as const;
export type AfterRetries = (typeof AFTER_RETRIES)[number];

export interface State {
  seed: number;
  /** The emulator's virtual time in epoch seconds. */
  now: number;
  /** The number of seconds that virtual time is ahead of wall time, if the clock runs. */
  secondsAhead: number;
  timerCount: number;
  /**
   * The effect on a subscription when its last payment retry fails. At Stripe, an account setting decides what happens
   * after the last payment retry.
   */
  afterRetries: AfterRetries;
  /** The name of the seller, which the pages show to customers. */
  sellerName: string;
  /** The settings of Stripe Tax for all accounts. */
  tax: CompleteTaxSettings;
  faults: Fault[];
  deliveryFaults: DeliveryFault[];
  /** The decline code of the next payment in any account; null for no decline. */
  nextDecline?: string | null;
  /** The IDs of the events that `expectEvent` returned. */
  returnedEvents: string[];
  accounts: Map<string, Account>;
}

/**
 * The context of one request, timer or submitted form: state, account, clock, request, and the transaction that records
 * its changes.
 */
export interface Context extends Transaction {
  state: State;
  account: Account;
  /** The ID of the test clock that sets the time; null for the emulator's own clock. */
  clock: string | null;
  /** The base URL of the emulator's pages. Links in API objects start with the base URL of the emulator's pages. */
  baseUrl: string;
  /** The events of the current transaction, in order. They are stored at the end of the transaction. */
  pendingEvents: PendingEvent[];
  /** The current request. Events that the request causes contain the request's ID and idempotency key. */
  request: { id: string | null; idempotencyKey: string | null };
  /** The move of a test clock that the request caused. The viewer shows the last move. */
  move?: ClockMove;
  /** The events that the context emits are added to this list. */
  emitted?: StripeEvent[];
  /** True if the request has a publishable API key, which a browser or a mobile app may know. */
  publishable?: boolean;
  /** Under a `stale` fault, lists and searches omit objects that were created less than this number of seconds ago. */
  staleSeconds?: number;
  /** True while a preview makes changes that it undoes afterwards. Then events contain no objects, except drafts of invoices. */
  isRehearsal?: boolean;
  /** Under a `decline` fault, the decline code for this request's payment. Otherwise null. */
  forcedDecline?: string | null;
}

const DEFAULT_SELLER_NAME = "Test seller";

export function newState(seed: number, startAt: number): State {
  return {
    seed,
    now: startAt,
    secondsAhead: 0,
    timerCount: 0,
    afterRetries: "cancel",
    sellerName: DEFAULT_SELLER_NAME,
    tax: parseTaxSettings({}),
    faults: [],
    deliveryFaults: [],
    returnedEvents: [],
    accounts: new Map(),
  };
}

/** Returns whether the account is a connected account, which the header `Stripe-Account` names. */
export function isConnected({ id }: Account): boolean {
  return id.includes("/");
}

/** Returns the account ID that Stripe's API shows, such as `acct_123`. */
export function publicIdOf({ id }: Account): string {
  return `acct_${id.slice(id.indexOf("/") + 1)}`;
}

/** Returns the account with this ID. Creates the account if it does not exist. */
export function getOrCreateAccount(state: State, id: string): Account {
  const known = state.accounts.get(id);
  if (known) return known;
  const account = emptyAccount(id);
  state.accounts.set(id, account);
  return account;
}

export function emptyAccount(id: string): Account {
  return {
    id,
    tables: emptyTables(),
    timers: { clocks: new Map(), current: new Map(), deliveries: [] },
    deliveries: new Map(),
    deliveriesByEvent: new Map(),
    idempotentResponses: new Map(),
    cardNumbers: new Map(),
    checkoutOrders: new Map(),
    endpointSecrets: new Map(),
    entitlementsByCustomer: new Map(),
    detachedMethods: new Map(),
    taxIpAddresses: new Map(),
    productByFeature: new Map(),
    pendingChanges: new Map(),
    createdEventByInvoice: new Map(),
    portalUses: new Map(),
    payloadStyles: new Map(),
    ignoredParams: new Map(),
    otherVersions: new Map(),
  };
}
