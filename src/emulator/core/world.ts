/** Everything the emulator knows, as plain values: it can be stored, restored and compared. */
import type { Customer } from "../resources/customers.ts";
import type { CheckoutSession } from "../resources/checkout-sessions.ts";
import type { Order } from "../billing/checkout.ts";
import type { Invoice } from "../billing/invoices.ts";
import type { PaymentIntent } from "../billing/payments.ts";
import type { Subscription } from "../billing/subscriptions.ts";
import type { PaymentMethod } from "../resources/payment-methods.ts";
import type { PortalSession } from "../resources/portal-sessions.ts";
import type { Price } from "../resources/prices.ts";
import type { Product } from "../resources/products.ts";
import type { Delivery, StripeEvent } from "./events.ts";
import { missing } from "./errors.ts";
import type { Fault } from "./faults.ts";
import type { StoredAnswer } from "./idempotency.ts";
import { randomText } from "./random.ts";
import type { Timer } from "./timers.ts";
import type { WebhookEndpoint } from "../resources/webhook-endpoints.ts";

/** The pinned version whose shapes are emulated. */
export const API_VERSION = "2026-10-28.endive";

export interface Tables {
  customer: Map<string, Customer>;
  product: Map<string, Product>;
  price: Map<string, Price>;
  "checkout.session": Map<string, CheckoutSession>;
  subscription: Map<string, Subscription>;
  invoice: Map<string, Invoice>;
  payment_intent: Map<string, PaymentIntent>;
  payment_method: Map<string, PaymentMethod>;
  "billing_portal.session": Map<string, PortalSession>;
  webhook_endpoint: Map<string, WebhookEndpoint>;
  event: Map<string, StripeEvent>;
}

export type TableName = keyof Tables;
export type Row<Name extends TableName> = Tables[Name] extends Map<string, infer Value> ? Value : never;

export interface State {
  seed: number;
  /** Virtual time, whole seconds. */
  now: number;
  /** How far virtual time is ahead of the wall's, where the clock runs. */
  aheadSeconds: number;
  tables: Tables;
  timers: Timer[];
  timerCount: number;
  deliveries: Map<string, Delivery>;
  answers: Map<string, StoredAnswer>;
  faults: Fault[];
  /** The test card behind each payment method. */
  cardNumbers: Map<string, string>;
  /** What each checkout session sells, and how far its paying is. */
  orders: Map<string, Order>;
  /** Endpoint secrets, which the API shows only once. */
  endpointSecrets: Map<string, string>;
}

export interface World {
  state: State;
  /** Where the emulator's own pages are. */
  baseUrl: string;
  /** The request under way, for the events it causes. */
  request: { id: string | null; idempotencyKey: string | null };
}

export function newState(seed: number, now: number): State {
  return {
    seed,
    now,
    aheadSeconds: 0,
    tables: {
      customer: new Map(),
      product: new Map(),
      price: new Map(),
      "checkout.session": new Map(),
      subscription: new Map(),
      invoice: new Map(),
      payment_intent: new Map(),
      payment_method: new Map(),
      "billing_portal.session": new Map(),
      webhook_endpoint: new Map(),
      event: new Map(),
    },
    timers: [],
    timerCount: 0,
    deliveries: new Map(),
    answers: new Map(),
    faults: [],
    cardNumbers: new Map(),
    orders: new Map(),
    endpointSecrets: new Map(),
  };
}

export function newId(world: World, prefix: string, length = 24): string {
  return `${prefix}_${randomText(world.state, length)}`;
}

/** A deep copy: what leaves the world must not change when the world does. */
export function copy<T>(value: T): T {
  return structuredClone(value);
}

export function find<Name extends TableName>(world: World, table: Name, id: string): Row<Name> | undefined {
  return (world.state.tables[table] as Map<string, Row<Name>>).get(id);
}

/** Throws Stripe's `resource_missing`; `param` is where the id came from, "id" for the path. */
export function need<Name extends TableName>(world: World, table: Name, id: string, param = "id"): Row<Name> {
  const row = find(world, table, id);
  if (!row) throw missing(table, id, param);
  return row;
}

export function all<Name extends TableName>(world: World, table: Name): Row<Name>[] {
  return [...(world.state.tables[table] as Map<string, Row<Name>>).values()];
}

/** Any object by its id, for `expand`. */
export function lookUp(world: World, id: string): object | undefined {
  for (const table of Object.values(world.state.tables)) {
    const row = (table as Map<string, object>).get(id);
    if (row) return row;
  }
  return undefined;
}

/** Maps travel as JSON in pairs. */
export function serialize(state: State): string {
  return JSON.stringify(state, (_key, value: unknown) => (value instanceof Map ? { $map: [...value] } : value));
}

export function deserialize(text: string): State {
  return JSON.parse(text, (_key, value: unknown) =>
    typeof value === "object" && value !== null && "$map" in value ? new Map(value.$map as [string, unknown][]) : value,
  ) as State;
}
