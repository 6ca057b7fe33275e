/**
 * Knows from Stripe's own books what must be true, and says what is not. Written apart from the code it judges: it reads
 * the emulator's tables, with rules of its own for what the mirror, the hooks and access must be.
 */
import type { Emulator } from "../../packages/emulator/src/index.ts";
import type { Store } from "../../packages/tollkeeper/src/store/open-store.ts";
import { createLeaseAuditor } from "./lease-auditor.ts";

/** A call of the store. */
export interface Write {
  method: string;
  args: unknown[];
  result: unknown;
}

export interface Auditor {
  violations: string[];
  /** Notes what has happened at Stripe since the last look. */
  look(): void;
  /** A transaction of the service has been committed, or a call outside of one. */
  committed(writes: readonly Write[]): void;
  /** A webhook about us was answered with 2xx. */
  acknowledged(eventId: string): void;
  /** Something comes to the door that no replica may take for an event of ours. */
  notOurs(eventId: string): void;
  /** A hook of the app has done its work. */
  told(hook: string, event: HookEvent): void;
  /** What must hold at any time when nobody writes. */
  check(store: Store, now: Rest): Promise<void>;
  /** What must hold once faults have ended and everything was reconciled. */
  checkEnd(store: Store, end: End): Promise<void>;
  /** Looks for what no log may hold. */
  checkLog(lines: readonly string[]): void;
}

export interface Rest {
  /** Whether replicas have been told of everything that has happened. */
  isSettled: boolean;
  /** Whether replicas have been up, with nothing in their way, since time went by. */
  isCalm: boolean;
}

export interface End {
  featuresOf(userId: string): Promise<string[]>;
  /** Whether every event was told of. */
  isToldOfAll: boolean;
  /** Whether time enough has passed for what was left unfinished towards Stripe to be finished. */
  isTidied: boolean;
}

export interface HookEvent {
  id: string;
  userId: string;
  features?: readonly string[];
  invoiceId?: string;
}

export interface Plan {
  id: string;
  group: string;
  features: readonly string[];
}

const DAY_MS = 86_400_000;
const GRACE_MS = 7 * DAY_MS;
/** Done work is kept longer than this. */
const KEPT_MS = 25 * DAY_MS;
/** In which what has just become due may still be about to be done. */
const A_MOMENT_MS = 900_000;
const USER_KEY = "auth0_user_id";
const OPERATION_KEY = "tollkeeper_operation";
const LIVE = new Set(["trialing", "active", "past_due", "unpaid", "paused"]);
const EVER_ENTITLING = new Set(["trialing", "active", "past_due", "canceled"]);

type Tables = NonNullable<ReturnType<ReturnType<Emulator["snapshot"]>["accounts"]["get"]>>["tables"];
type StripeSubscription = Tables["subscription"] extends Map<string, infer Row> ? Row : never;
type StripeInvoice = Tables["invoice"] extends Map<string, infer Row> ? Row : never;

export function createAuditor(emulator: Emulator, plans: readonly Plan[]): Auditor {
  const violations: string[] = [];
  const violate = (text: string): void => {
    if (!violations.includes(text)) violations.push(text);
  };
  /** subscription -> what it has been, oldest first. */
  const history = new Map<string, string[]>();
  /** subscription -> the event that told of it last. */
  const lastEvents = new Map<string, string>();
  /** subscription -> how far the mirror has come in its history. */
  const mirrored = new Map<string, number>();
  const seenEvents = new Set<string>();
  const acknowledged = new Map<string, number>();
  const notOurs = new Set<string>();
  /** event -> when it was worked off. */
  const workedOff = new Map<string, number>();
  /** customer -> users that its metadata has named, for as long as the emulator's events may have been forgotten since. */
  const owners = new Map<string, Set<string>>();
  const leases = createLeaseAuditor(violate);
  const paymentsTold = new Set<string>();
  /** operation -> how it ended, as it was first written. */
  const outcomes = new Map<string, string>();
  /** Kinds and subjects of operations. */
  const intents = new Map<string, [kind: string, subject: string]>();
  /** user -> ids of what hooks have told, and the features that they leave. */
  const toldIds = new Map<string, string>();
  const featuresTold = new Map<string, Set<string>>();
  /** Hook -> when it was noted as told. */
  const endedHooks = new Map<string, number>();

  const tables = (): Tables | null => emulator.snapshot().accounts.get("123")?.tables ?? null;
  /** As they were at the last look: to copy them takes long where there is much. */
  let lastSeen: Tables | null = null;

  const note = (subscription: StripeSubscription): void => {
    const states = history.get(subscription.id) ?? [];
    history.set(subscription.id, states);
    const state = stateOf(subscription);
    if (states.at(-1) !== state) states.push(state);
  };

  const noteOwner = ({ id, metadata }: Owned): void => {
    const userId = metadata?.[USER_KEY];
    if (userId !== undefined) owners.set(id, (owners.get(id) ?? new Set()).add(userId));
  };

  const look = (): void => {
    const now = tables();
    lastSeen = now;
    if (!now) return;
    for (const event of now.event.values()) {
      if (seenEvents.has(event.id)) continue;
      seenEvents.add(event.id);
      const object = event.data.object as { object: string };
      if (object.object === "subscription") {
        note(object as StripeSubscription);
        lastEvents.set((object as StripeSubscription).id, event.id);
      }
      if (object.object === "customer") noteOwner(object as unknown as Owned);
    }
    for (const customer of now.customer.values()) if (!isDeleted(customer)) noteOwner(customer);
    for (const subscription of now.subscription.values()) note(subscription);
    checkBooks(now, violate);
    for (const problem of emulator.audit()) violate(`Stripe's books: ${problem}`);
  };

  /** The mirror may skip what has been, and may stand still, but never go back. */
  const checkMirrored = (record: MirrorSubscription): void => {
    const states = history.get(record.id) ?? [];
    const state = stateOfMirror(record);
    const last = mirrored.get(record.id) ?? 0;
    const at = states.indexOf(state, last);
    if (at >= 0) mirrored.set(record.id, at);
    else if (states.includes(state)) violate(`I3: ${record.id} went back to ${state}`);
    else violate(`I3: ${record.id} never was ${state}`);
  };

  const checkGranted = (userId: string, features: readonly string[]): void => {
    const now = tables();
    if (!now || features.length === 0) return;
    const possible = [...history.keys()].some((id) => {
      const owner = now.subscription.get(id)?.customer;
      const states = history.get(id) ?? [];
      return (
        owner !== undefined &&
        owners.get(owner)?.has(userId) === true &&
        states.some((state) => EVER_ENTITLING.has(state.split(" ")[0] ?? ""))
      );
    });
    if (!possible) violate(`I8: ${userId} was given ${features.join(", ")} with nothing paid`);
  };

  const noteIntent = ({ kind, subject }: Intent): void => {
    intents.set(`${kind} ${subject}`, [kind, subject]);
    const now = tables();
    if (now && kind === "checkout") checkCheckout(now, plans, { subject, now: emulator.now() }, violate);
  };

  const noteOutcome = ([id = "", state, result]: string[]): void => {
    if (!outcomes.has(id)) outcomes.set(id, `${state} ${result}`);
  };

  const checkOutcomes = async (store: Store): Promise<void> => {
    for (const [kind, subject] of intents.values()) {
      const operation = await store.operations.findCurrent(kind, subject);
      const first = operation && outcomes.get(operation.id);
      if (first && first !== `${operation.state} ${operation.result}`)
        violate(`I7: ${kind} of ${subject} ended in ${first}, and is ${operation.state} ${operation.result}`);
    }
  };

  /** With nothing left to do, what the last event has told is known, whatever else was lost. */
  const checkTold = async (books: Tables, store: Store): Promise<void> => {
    // After one that Stripe has forgotten there may have been others, seen by nobody.
    const told = [...lastEvents]
      .filter(([, event]) => acknowledged.has(event) && books.event.has(event))
      .map(([id]) => id);
    const known = await store.subscriptions.findSubscriptions(told);
    for (const id of told) {
      const row = books.subscription.get(id);
      const record = known.get(id);
      const state = record ? stateOfMirror(record) : "unknown";
      if (row && state !== stateOf(row))
        violate(`I4: ${id} is ${state} in the mirror, though all was told of ${stateOf(row)}`);
    }
  };

  /** What hooks have left everybody with is what is paid for, or was until a moment ago. */
  const checkAccessTold = async (books: Tables, store: Store): Promise<void> => {
    const { pending, dead } = await store.outbox.countByState();
    if (pending > 0 || dead > 0) return;
    for (const userId of usersOf(books)) {
      const told = [...(featuresTold.get(userId) ?? [])].toSorted().join();
      const [now, before] = [0, A_MOMENT_MS].map((ms) => entitled(books, plans, userId, emulator.now() - ms).join());
      if (told !== now && told !== before) violate(`I8: hooks left ${userId} with [${told}], and it should [${now}]`);
    }
  };

  const checkWorkedOff = (eventId: string): void => {
    const before = workedOff.get(eventId);
    // What was done so long ago may be forgotten, and come again.
    if (before !== undefined && emulator.now() - before < KEPT_MS) violate(`I2: ${eventId} was worked off twice`);
    workedOff.set(eventId, emulator.now());
  };

  const checkPayment = (userId: string, invoiceId: string): void => {
    paymentsTold.add(invoiceId);
    const known = lastSeen?.invoice.get(invoiceId);
    // What is paid stays so.
    const invoice = known?.status === "paid" ? known : tables()?.invoice.get(invoiceId);
    if (invoice?.status !== "paid") violate(`I8: ${userId} was told that ${invoiceId} is paid, and it is not`);
    else if (!owners.get(invoice.customer)?.has(userId))
      violate(`I9: ${userId} was told of ${invoiceId}, which is another's`);
  };

  return {
    violations,
    look,

    committed(writes) {
      if (writes.some(({ method }) => method === "subscriptions.saveSubscriptions" || method === "grants.save")) look();
      for (const write of writes) {
        const { method, args, result } = write;
        leases.note(write);
        if (method === "operations.begin" && result === true) noteIntent(args[0] as Intent);
        if (method === "outbox.complete" && result === true)
          endedHooks.set((args[0] as { id: string }).id, emulator.now());
        if (method === "operations.finish") noteOutcome(args as string[]);
        if (method === "inbox.complete" && result === true) checkWorkedOff((args[0] as { eventId: string }).eventId);
        if (method === "subscriptions.saveSubscriptions")
          for (const record of args[0] as MirrorSubscription[]) checkMirrored(record);
        if (method === "grants.save")
          for (const { userId, features } of args[0] as { userId: string; features: string[] }[])
            checkGranted(userId, features);
      }
    },

    acknowledged(eventId) {
      if (!acknowledged.has(eventId)) acknowledged.set(eventId, emulator.now());
    },

    notOurs: (eventId) => void notOurs.add(eventId),

    told(hook, event) {
      const { id, userId, features = [] } = event;
      const payload = JSON.stringify(event);
      const before = toldIds.get(id);
      if (before !== undefined && before !== payload) violate(`I2: ${id} was told twice, and not the same`);
      // Who had a lease and froze may tell it once more; nobody freezes for a day.
      if (emulator.now() - (endedHooks.get(id) ?? Infinity) > DAY_MS) violate(`I2: ${id} was told again, long after`);
      toldIds.set(id, payload);
      if (before !== undefined) return;
      if (hook === "onPaymentSucceeded" && event.invoiceId !== undefined) checkPayment(userId, event.invoiceId);
      const left = featuresTold.get(userId) ?? new Set();
      featuresTold.set(userId, left);
      if (hook === "onAccessGranted") for (const feature of features) left.add(feature);
      if (hook === "onAccessRevoked") for (const feature of features) left.delete(feature);
    },

    async check(store, { isSettled, isCalm }) {
      look();
      const books = tables();
      const { pending, dead } = await store.inbox.countByState();
      // With every event worked off, nothing is left that could mend the mirror.
      if (isSettled && books && pending === 0 && dead === 0) {
        await checkMirror(books, store, violate);
        if (isCalm) await checkAccessTold(books, store);
      }
      if (books && pending === 0 && dead === 0) await checkTold(books, store);
      const kept = [...acknowledged].filter(([, at]) => emulator.now() - at < KEPT_MS).map(([id]) => id);
      const lost = await store.inbox.unknown(kept);
      for (const id of lost) violate(`I1: ${id} was acknowledged and is not in the inbox`);
      await checkOutcomes(store);
      const strangers = new Set(await store.inbox.unknown([...notOurs]));
      for (const id of notOurs) if (!strangers.has(id)) violate(`I9: ${id} is no event of ours, and is in the inbox`);
    },

    async checkEnd(store, { featuresOf, isToldOfAll, isTidied }) {
      look();
      const now = tables();
      if (!now) return;
      await checkMirror(now, store, violate);
      for (const userId of usersOf(now)) {
        const expected = entitled(now, plans, userId, emulator.now());
        const actual = (await featuresOf(userId)).toSorted();
        if (actual.join() !== expected.join())
          violate(`I8: ${userId} may use [${actual.join()}] and should [${expected.join()}]`);
        const told = [...(featuresTold.get(userId) ?? [])].toSorted();
        if (told.join() !== actual.join())
          violate(`I2: hooks left ${userId} with [${told.join()}], and it may [${actual.join()}]`);
      }
      const unfinished = isTidied ? await store.operations.listPending(emulator.now(), null, 10) : [];
      for (const { kind, subject } of unfinished) violate(`I7: ${kind} of ${subject} was never finished`);
      if (isToldOfAll)
        for (const id of paidInvoices(now))
          if (!paymentsTold.has(id)) violate(`I2: nobody was told that ${id} is paid`);
      const { dead, pending } = await store.inbox.countByState();
      if (dead > 0) violate(`I4: ${dead} events are dead letters`);
      if (pending > 0) violate(`I4: ${pending} events wait, with nothing to wait for`);
    },

    checkLog(lines) {
      const forbidden = [/sk_test_\w/, /whsec_\w/, /@example\.com/, /\b4242424242424242\b/, /_secret_\w/];
      for (const line of lines)
        for (const pattern of forbidden)
          if (pattern.test(line)) violate(`I10: a log line holds ${pattern.source}: ${line.slice(0, 200)}`);
    },
  };
}

interface MirrorSubscription {
  id: string;
  customerId: string;
  status: string;
  cancelAtPeriodEnd: boolean;
  cancelAt: number | null;
  endedAt: number | null;
  trialEnd: number | null;
  items: readonly { id: string; priceId: string; quantity: number; currentPeriodEnd: number }[];
}

function stateOf(row: StripeSubscription): string {
  const items = row.items.data
    .map((item) => `${item.id}=${item.price.id}x${item.quantity ?? 1}>${item.current_period_end}`)
    .toSorted();
  return [row.status, row.cancel_at_period_end, row.cancel_at, row.ended_at, row.trial_end, ...items].join(" ");
}

function stateOfMirror(record: MirrorSubscription): string {
  const seconds = (at: number | null): number | null => (at === null ? null : at / 1_000);
  const items = record.items
    .map((item) => `${item.id}=${item.priceId}x${item.quantity}>${item.currentPeriodEnd / 1_000}`)
    .toSorted();
  const { status, cancelAtPeriodEnd, cancelAt, endedAt, trialEnd } = record;
  return [status, cancelAtPeriodEnd, seconds(cancelAt), seconds(endedAt), seconds(trialEnd), ...items].join(" ");
}

interface Owned {
  id: string;
  metadata?: Record<string, string>;
}

/** Of customers that name their user from the beginning to this day. */
function paidInvoices(tables: Tables): string[] {
  return [...tables.invoice.values()].flatMap(({ id, status, customer }) => {
    const owner = tables.customer.get(customer);
    return status === "paid" && owner && !isDeleted(owner) && owner.metadata[USER_KEY] !== undefined ? [id] : [];
  });
}

function isDeleted(customer: object): boolean {
  return "deleted" in customer;
}

function customersOf(tables: Tables, userId: string): Set<string> {
  const ids = new Set<string>();
  for (const customer of tables.customer.values())
    if (!isDeleted(customer) && customer.metadata[USER_KEY] === userId) ids.add(customer.id);
  return ids;
}

interface Intent {
  kind: string;
  subject: string;
}

/** Nobody who has long had a subscription in the group is sold another. What the dashboard makes is live from its beginning. */
function checkCheckout(
  tables: Tables,
  plans: readonly Plan[],
  { subject, now }: { subject: string; now: number },
  violate: (text: string) => void,
): void {
  const [userId = "", group] = subject.split(" ");
  const customers = customersOf(tables, userId);
  for (const { id, customer, status, created, metadata, items } of tables.subscription.values()) {
    if (!customers.has(customer) || !LIVE.has(status) || metadata[OPERATION_KEY] !== undefined) continue;
    const isInGroup = items.data.some(
      ({ price }) => plans.find((plan) => plan.id === planOf(tables, price))?.group === group,
    );
    if (isInGroup && now - created * 1_000 > A_MOMENT_MS) violate(`I6: ${userId} has ${id}, and is sold another`);
  }
}

function planOf(tables: Tables, price: { product: string }): string | undefined {
  return tables.product.get(price.product)?.metadata["tollkeeper_plan"];
}

function usersOf(tables: Tables): string[] {
  const users = [...tables.customer.values()].flatMap((customer) =>
    isDeleted(customer) ? [] : (customer.metadata[USER_KEY] ?? []),
  );
  return [...new Set(users)];
}

/** I5, I6 and I7, from Stripe's books alone. */
function checkBooks(tables: Tables, violate: (text: string) => void): void {
  for (const userId of usersOf(tables)) {
    const customers = customersOf(tables, userId);
    if (customers.size > 1) violate(`I5: ${userId} has ${customers.size} customers`);
    // What the dashboard makes carries no operation of ours.
    const live = [...tables.subscription.values()].filter(
      ({ customer, status, metadata }) =>
        customers.has(customer) && LIVE.has(status) && metadata[OPERATION_KEY] !== undefined,
    );
    if (live.length > 1) violate(`I6: ${userId} has ${live.length} live subscriptions of ours`);
  }
  const made = (rows: Iterable<object>, what: string): void => {
    const counts = new Map<string, number>();
    for (const row of rows) {
      const operation = (row as { metadata?: Record<string, string> | null }).metadata?.[OPERATION_KEY];
      if (operation !== undefined) counts.set(operation, (counts.get(operation) ?? 0) + 1);
    }
    for (const [operation, count] of counts) if (count > 1) violate(`I7: ${operation} made ${count} ${what}`);
  };
  made(tables["checkout.session"].values(), "checkout sessions");
  made(
    [...tables.customer.values()].filter((customer) => !isDeleted(customer)),
    "customers",
  );
}

/** I4: the mirror is as Stripe is. */
async function checkMirror(tables: Tables, store: Store, violate: (text: string) => void): Promise<void> {
  const differs = (what: string, mirror: unknown, stripe: unknown): void => {
    if (JSON.stringify(mirror) !== JSON.stringify(stripe))
      violate(`I4: ${what} is ${JSON.stringify(mirror)} in the mirror, and ${JSON.stringify(stripe)} in Stripe`);
  };
  const customers = await store.customers.findCustomers([...tables.customer.keys()]);
  for (const [id, row] of tables.customer) {
    const known = customers.get(id);
    if (isDeleted(row)) {
      if (known) differs(`${id} deleted`, known.deleted, true);
      differs(`the user of ${id}`, await store.customers.findUserOf(id), null);
      continue;
    }
    const userId = row.metadata[USER_KEY] ?? null;
    differs(`${id} user`, known?.userId, userId);
    differs(`${id} default card`, known?.defaultPaymentMethodId, row.invoice_settings.default_payment_method);
    if (userId !== null) differs(`the customer of ${userId}`, await store.customers.findCustomerOf(userId), id);
  }
  const subscriptions = await store.subscriptions.findSubscriptions([...tables.subscription.keys()]);
  for (const [id, row] of tables.subscription) {
    const known = subscriptions.get(id);
    differs(id, known ? stateOfMirror(known) : null, stateOf(row));
    differs(`${id} customer`, known?.customerId, row.customer);
    differs(`${id} invoice`, known?.latestInvoiceId, row.latest_invoice);
    const invoice = row.latest_invoice === null ? undefined : tables.invoice.get(row.latest_invoice);
    if (invoice) await checkInvoice(invoice, store, differs);
  }
}

async function checkInvoice(
  row: StripeInvoice,
  store: Store,
  differs: (what: string, mirror: unknown, stripe: unknown) => void,
): Promise<void> {
  const known = await store.subscriptions.findInvoice(row.id);
  differs(row.id, known && [known.status, known.total, known.amountPaid, known.attemptCount], [
    row.status,
    row.total,
    row.amount_paid,
    row.attempt_count,
  ]);
  const next = row.next_payment_attempt === null ? null : row.next_payment_attempt * 1_000;
  differs(`${row.id} next attempt`, known?.nextPaymentAttemptAt, next);
}

/** What the user has paid for, or still has grace for, by Stripe's books. */
function entitled(tables: Tables, plans: readonly Plan[], userId: string, now: number): string[] {
  const customers = customersOf(tables, userId);
  const features = new Set<string>();
  for (const row of tables.subscription.values()) {
    if (!customers.has(row.customer) || !givesAccess(tables, row, now)) continue;
    for (const item of row.items.data) {
      const planId = planOf(tables, item.price);
      for (const feature of plans.find(({ id }) => id === planId)?.features ?? []) features.add(feature);
    }
  }
  return [...features].toSorted();
}

function givesAccess(tables: Tables, row: StripeSubscription, now: number): boolean {
  const endsLater = row.cancel_at === null || row.cancel_at * 1_000 > now;
  const paidUntil = Math.max(...row.items.data.map((item) => item.current_period_end * 1_000));
  switch (row.status) {
    case "active":
    case "trialing":
      return endsLater;
    case "past_due": {
      const unpaid = [...tables.invoice.values()].filter(
        ({ status, parent }) => status === "open" && parent?.subscription_details?.subscription === row.id,
      );
      const starts = row.items.data.map((item) => item.current_period_start);
      const since = unpaid.length > 0 ? Math.min(...unpaid.map(({ created }) => created)) : Math.max(...starts);
      return endsLater && now < since * 1_000 + GRACE_MS;
    }
    case "canceled": {
      const invoice = row.latest_invoice === null ? undefined : tables.invoice.get(row.latest_invoice);
      return invoice?.status === "paid" && invoice.total > 0 && now < paidUntil;
    }
    default:
      return false;
  }
}
