/** Everything the emulator knows, as plain values: it can be stored, restored, forked and compared. */
import type { Order } from "../billing/checkout.ts";
import type { PendingPlan } from "../billing/pending-plans.ts";
import { copy } from "./copy.ts";
import type { Delivery } from "./events.ts";
import { missing } from "./errors.ts";
import type { DeliveryFault, Fault } from "./faults.ts";
import type { StoredAnswer } from "./idempotency.ts";
import { randomText } from "./random.ts";
import { emptyTables, INDEXES, type Row, type TableName, type Tables } from "./tables.ts";
import type { Timers } from "./timers.ts";
import { onUndo } from "./undo.ts";

export { copy } from "./copy.ts";
export type { Row } from "./tables.ts";

/** The pinned version whose shapes are emulated. */
export const API_VERSION = "2026-10-28.endive";

/** What one API key sees: keys separate accounts. */
export interface Account {
  id: string;
  tables: Tables;
  timers: Timers;
  deliveries: Map<string, Delivery>;
  /** event id -> its deliveries. */
  deliveriesOf: Map<string, string[]>;
  answers: Map<string, StoredAnswer>;
  /** The test card behind each payment method. */
  cardNumbers: Map<string, string>;
  /** What each checkout session sells, and how far its paying is. */
  orders: Map<string, Order>;
  /** Endpoint secrets, which the API shows only once; the newest first, the others until they run out. */
  endpointSecrets: Map<string, EndpointSecret[]>;
  /** customer -> its active entitlements. */
  entitlementsOf: Map<string, string[]>;
  /** product feature -> its product, which the API does not show. */
  productOfFeature: Map<string, string>;
  /** subscription -> the change that waits for its invoice. */
  pendingPlans: Map<string, PendingPlan>;
  /** invoice -> its `invoice.created` event, whose delivery finalization waits for. */
  createdEvents: Map<string, string>;
  /** Endpoints that get thin notifications; the others get whole objects. */
  payloads: Map<string, "snapshot" | "thin">;
  /** Parameters that were taken and ignored: operation and parameter -> how often. */
  ignored: Map<string, number>;
}

export interface EndpointSecret {
  secret: string;
  /** Null for the current one. */
  expiresAt: number | null;
}

export interface State {
  seed: number;
  /** Virtual time, whole seconds. */
  now: number;
  /** How far virtual time is ahead of the wall's, where the clock runs. */
  aheadSeconds: number;
  timerCount: number;
  faults: Fault[];
  deliveryFaults: DeliveryFault[];
  /** The decline code of the next payment that anybody makes, on whatever way. */
  nextDecline?: string | null;
  accounts: Map<string, Account>;
}

/** A state, and whose turn it is: an account, the test clock that its object lives on, and the request under way. */
export interface World {
  state: State;
  account: Account;
  /** The test clock in whose time things happen; null is the emulator's own. */
  clock: string | null;
  /** Where the emulator's own pages are. */
  baseUrl: string;
  /** The request under way, for the events it causes. */
  request: { id: string | null; idempotencyKey: string | null };
  /** Takes back what the request under way has done, should it be refused. */
  undo?: (() => void)[];
  /** How old lists and searches are to look, by a fault. */
  staleSeconds?: number;
  /** The decline code of the payment that this request makes, by a fault. */
  declineWith?: string | null;
}

export function newState(seed: number, startAt: number): State {
  return {
    seed,
    now: startAt,
    aheadSeconds: 0,
    timerCount: 0,
    faults: [],
    deliveryFaults: [],
    accounts: new Map(),
  };
}

/** The account of that name, made where there is none. */
export function accountOf(state: State, id: string): Account {
  const known = state.accounts.get(id);
  if (known) return known;
  const account = emptyAccount(id);
  state.accounts.set(id, account);
  return account;
}

function emptyAccount(id: string): Account {
  return {
    id,
    tables: emptyTables(),
    timers: { clocks: new Map(), current: new Map(), deliveries: [] },
    deliveries: new Map(),
    deliveriesOf: new Map(),
    answers: new Map(),
    cardNumbers: new Map(),
    orders: new Map(),
    endpointSecrets: new Map(),
    entitlementsOf: new Map(),
    productOfFeature: new Map(),
    pendingPlans: new Map(),
    createdEvents: new Map(),
    payloads: new Map(),
    ignored: new Map(),
  };
}

/** The time here: the test clock's, or the emulator's own. */
export function now(world: World): number {
  if (world.clock === null) return world.state.now;
  return world.account.tables["test_helpers.test_clock"].get(world.clock)?.frozen_time ?? world.state.now;
}

export function newId(world: World, prefix: string, length = 24): string {
  return `${prefix}_${randomText(world.state, length)}`;
}

export function find<Name extends TableName>(world: World, table: Name, id: string | null): Row<Name> | undefined {
  return id === null ? undefined : (world.account.tables[table] as Map<string, Row<Name>>).get(id);
}

/** Throws Stripe's `resource_missing`; `param` is where the id came from, "id" for the path. */
export function need<Name extends TableName>(world: World, table: Name, id: string, param = "id"): Row<Name> {
  const row = find(world, table, id);
  if (!row) throw missing(table, id, param);
  return row;
}

export function all<Name extends TableName>(world: World, table: Name): Row<Name>[] {
  return [...(world.account.tables[table] as Map<string, Row<Name>>).values()];
}

export function insert<Name extends TableName>(world: World, table: Name, row: Row<Name>): Row<Name> {
  const rows = world.account.tables[table] as Map<string, Row<Name>>;
  const { id } = row as { id: string };
  onUndo(world, () => rows.delete(id));
  rows.set(id, row);
  addToIndexes(indexesOf(world.account), table, row as object);
  return row;
}

/** The rows of a table that belong to another object, oldest first: `of(world, "invoice", "customer", id)`. */
export function of<Name extends TableName>(
  world: World,
  table: Name,
  field: keyof (typeof INDEXES)[Name] & string,
  owner: string,
): Row<Name>[] {
  const ids = indexesOf(world.account).get(`${table}.${field}`)?.get(owner) ?? [];
  const rows = world.account.tables[table] as Map<string, Row<Name>>;
  return ids.flatMap((id) => rows.get(id) ?? []);
}

type Indexes = Map<string, Map<string, string[]>>;
/** Made from the tables, so they are no part of the state. */
const indexes = new WeakMap<Account, Indexes>();

function indexesOf(account: Account): Indexes {
  const known = indexes.get(account);
  if (known) return known;
  const made: Indexes = new Map();
  for (const table of Object.keys(INDEXES) as TableName[])
    for (const row of account.tables[table].values()) addToIndexes(made, table, row);
  indexes.set(account, made);
  return made;
}

function addToIndexes(target: Indexes, table: TableName, row: object): void {
  const { id } = row as { id: string };
  for (const [field, ownerOf] of Object.entries(INDEXES[table] as Record<string, (row: never) => string | null>)) {
    const owner = ownerOf(row as never);
    if (owner === null) continue;
    const name = `${table}.${field}`;
    const index = target.get(name) ?? new Map<string, string[]>();
    target.set(name, index);
    const ids = index.get(owner);
    if (!ids) index.set(owner, [id]);
    else if (!ids.includes(id)) ids.push(id);
  }
}

/** Any object of this account by its id, for `expand` and for the clock it lives on. */
export function lookUp(world: World, id: string): object | undefined {
  for (const table of Object.values(world.account.tables)) {
    const row = (table as Map<string, object>).get(id);
    if (row) return row;
  }
  return undefined;
}

/** From here on things happen in the time of the object's test clock. */
export function focus(world: World, object: unknown): void {
  world.clock = clockOf(world, object);
}

function clockOf(world: World, object: unknown): string | null {
  if (typeof object !== "object" || object === null) return null;
  const { test_clock: clock, customer } = object as { test_clock?: unknown; customer?: unknown };
  if (typeof clock === "string") return clock;
  return typeof customer === "string" ? (find(world, "customer", customer)?.test_clock ?? null) : null;
}

/** Maps travel as JSON in pairs. */
export function serialize(state: State): string {
  return JSON.stringify(state, (_key, value: unknown) => (value instanceof Map ? { $map: [...value] } : value));
}

/** What this version keeps and the one that wrote the text did not begins empty. Null where the text holds no state. */
export function deserialize(text: string): State | null {
  const stored = JSON.parse(text, (_key, value: unknown) =>
    typeof value === "object" && value !== null && "$map" in value ? new Map(value.$map as [string, unknown][]) : value,
  ) as State;
  if (!(stored.accounts instanceof Map)) return null;
  const accounts = [...stored.accounts].map(([id, account]): [string, Account] => {
    const empty = emptyAccount(id);
    return [id, { ...empty, ...account, tables: { ...empty.tables, ...account.tables } }];
  });
  return { ...newState(stored.seed, stored.now), ...stored, accounts: new Map(accounts) };
}

export function fork(state: State): State {
  return copy(state);
}
