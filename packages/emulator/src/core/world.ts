/** Everything the emulator knows, as plain values: it can be stored, restored, forked and compared. */
import type { Order } from "../billing/checkout.ts";
import type { PendingPlan } from "../billing/pending-plans.ts";
import { copy } from "./copy.ts";
import type { Delivery } from "./events.ts";
import { missing } from "./errors.ts";
import type { DeliveryFault, Fault } from "./faults.ts";
import type { StoredAnswer } from "./idempotency.ts";
import { emptyTables, INDEXES, type Row, type TableName, type Tables } from "./tables.ts";
import type { Timers } from "./timers.ts";
import { own, put, type Step } from "./own.ts";

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

/** @see https://docs.stripe.com/billing/revenue-recovery/smart-retries#failed-payment-options */
export const AFTER_RETRIES = ["cancel", "unpaid", "past_due", "pause"] as const;
export type AfterRetries = (typeof AFTER_RETRIES)[number];

export interface State {
  seed: number;
  /** Virtual time, whole seconds. */
  now: number;
  /** How far virtual time is ahead of the wall's, where the clock runs. */
  aheadSeconds: number;
  timerCount: number;
  /** What becomes of a subscription whose renewal no try has paid: an account's setting at Stripe. */
  afterRetries: AfterRetries;
  faults: Fault[];
  deliveryFaults: DeliveryFault[];
  /** The decline code of the next payment that anybody makes, on whatever way. */
  nextDecline?: string | null;
  accounts: Map<string, Account>;
}

/** A state, and the step of work under way on it: in an account, in the time of a test clock, by a request. */
export interface World extends Step {
  state: State;
  account: Account;
  /** The test clock in whose time things happen; null is the emulator's own. */
  clock: string | null;
  /** Where the emulator's own pages are. */
  baseUrl: string;
  /** The request under way, for the events it causes. */
  request: { id: string | null; idempotencyKey: string | null };
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
    afterRetries: "cancel",
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

/** The row, which the step under way may change. */
export function find<Name extends TableName>(world: World, table: Name, id: string | null): Row<Name> | undefined {
  return id === null ? undefined : (own(world, rowsOf(world, table), id) as Row<Name> | undefined);
}

/** Throws Stripe's `resource_missing`; `param` is where the id came from, "id" for the path. */
export function need<Name extends TableName>(world: World, table: Name, id: string, param = "id"): Row<Name> {
  const row = find(world, table, id);
  if (!row) throw missing(table, id, param);
  return row;
}

/** The rows of a table, oldest first. What is not wanted costs nothing where `where` leaves it out. */
export function all<Name extends TableName>(
  world: World,
  table: Name,
  where?: (row: Row<Name>) => boolean,
): Row<Name>[] {
  const rows = rowsOf(world, table);
  if (!where && world.own === null) return [...rows.values()] as Row<Name>[];
  return wanted(world, table, rows, where ?? (() => true));
}

/** The rows of a table that belong to another object, oldest first: `of(world, "invoice", "customer", id)`. */
export function of<Name extends TableName>(
  world: World,
  table: Name,
  field: keyof (typeof INDEXES)[Name] & string,
  owner: string,
  where: (row: Row<Name>) => boolean = () => true,
): Row<Name>[] {
  const rows = rowsOf(world, table);
  const ids = [...(indexOf(world.account, table, field).get(owner) ?? [])];
  return wanted(
    world,
    table,
    ids.map((id) => [id, rows.get(id)]),
    where,
  );
}

/** To whom rows of a table belong, or belonged. */
export function owners<Name extends TableName>(
  world: World,
  table: Name,
  field: keyof (typeof INDEXES)[Name] & string,
): string[] {
  return [...indexOf(world.account, table, field).keys()];
}

function wanted<Name extends TableName>(
  world: World,
  table: Name,
  candidates: Iterable<[string, object | undefined]>,
  where: (row: Row<Name>) => boolean,
): Row<Name>[] {
  const rows = rowsOf(world, table);
  const found: Row<Name>[] = [];
  for (const [id, row] of candidates)
    if (row !== undefined && where(row as Row<Name>))
      found.push((world.own === null ? row : own(world, rows, id)) as Row<Name>);
  return found;
}

export function insert<Name extends TableName>(world: World, table: Name, row: Row<Name>): Row<Name> {
  put(world, rowsOf(world, table), (row as { id: string }).id, row as object);
  forEachIndex(world.account, table, row, (index, owner) => addToIndex(index, owner, row as object));
  world.undo.push(() => removeFromIndexes(world.account, table, row));
  return row;
}

export function remove(world: World, table: TableName, id: string): void {
  const rows = rowsOf(world, table);
  const before = [...rows];
  // Lists go by the order in which rows came, so one that comes back takes its old place.
  world.undo.push(() => {
    rows.clear();
    for (const [known, row] of before) rows.set(known, row);
  });
  rows.delete(id);
}

/** Removes for good what nobody could ask for any more. */
export function forget<Name extends TableName>(account: Account, table: Name, row: Row<Name>): void {
  account.tables[table].delete((row as { id: string }).id);
  removeFromIndexes(account, table, row);
}

function rowsOf({ account }: World, table: TableName): Map<string, object> {
  return account.tables[table];
}

type OwnerOf = (row: object) => string | null;
/** owner -> the ids of its rows, oldest first. */
type Index = Map<string, Set<string>>;
/** Made from the tables when they are asked for, so they are no part of the state. */
const indexes = new WeakMap<Account, Map<string, Index>>();

function indexOf(account: Account, table: TableName, field: string): Index {
  const known = indexes.get(account) ?? new Map<string, Index>();
  indexes.set(account, known);
  const name = `${table}.${field}`;
  const index = known.get(name);
  if (index) return index;
  const made: Index = new Map();
  const ownerOf = (INDEXES[table] as Record<string, OwnerOf>)[field] as OwnerOf;
  for (const row of account.tables[table].values()) addToIndex(made, ownerOf(row), row);
  known.set(name, made);
  return made;
}

function removeFromIndexes<Name extends TableName>(account: Account, table: Name, row: Row<Name>): void {
  forEachIndex(account, table, row, (index, owner) => {
    const ids = index.get(owner);
    ids?.delete((row as { id: string }).id);
    if (ids?.size === 0) index.delete(owner);
  });
}

/** Those that have been asked for. */
function forEachIndex<Name extends TableName>(
  account: Account,
  table: Name,
  row: Row<Name>,
  act: (index: Index, owner: string) => void,
): void {
  const known = indexes.get(account);
  for (const [field, ownerOf] of Object.entries(INDEXES[table] as Record<string, OwnerOf>)) {
    const index = known?.get(`${table}.${field}`);
    const owner = index ? ownerOf(row as object) : null;
    if (index && owner !== null) act(index, owner);
  }
}

function addToIndex(index: Index, owner: string | null, row: object): void {
  if (owner === null) return;
  const { id } = row as { id: string };
  const ids = index.get(owner) ?? new Set();
  index.set(owner, ids.add(id));
}

/** Any object of this account by its id, to be read: for `expand`, and for the clock it lives on. */
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

/** The same state again, to go on apart: whatever is in its maps is shared, and changed by neither. */
export function fork(state: State): State {
  return {
    ...state,
    faults: copy(state.faults),
    deliveryFaults: copy(state.deliveryFaults),
    accounts: new Map([...state.accounts].map(([id, account]) => [id, forkAccount(account)])),
  };
}

export function forkAccount(account: Account): Account {
  const { clocks, current, deliveries } = account.timers;
  return {
    ...withMapsCopied(account),
    tables: withMapsCopied(account.tables),
    timers: {
      clocks: new Map([...clocks].map(([clock, heap]) => [clock, [...heap]])),
      current: new Map(current),
      deliveries: [...deliveries],
    },
  };
}

function withMapsCopied<T extends object>(object: T): T {
  const entries = Object.entries(object) as [string, unknown][];
  return Object.fromEntries(entries.map(([name, value]) => [name, value instanceof Map ? new Map(value) : value])) as T;
}
