/**
 * Measures the emulator in this process, on one core. Part of `npm run bench`. For comparison, the program sends equal requests
 * to an empty handler, which does no work. The empty handler needs time only for `Request`, `Response` and the client's
 * parsing. No emulator behind a fetch function can be faster than an empty handler.
 */
import { createEmulator } from "../packages/emulator/src/index.ts";
import { figuresOf, writeResult, type Figure } from "./results.ts";

type Fetch = (request: Request) => Promise<Response>;
type Row = { id: string; data: { id: string }[] };

const HEADERS = { authorization: "Bearer sk_test_bench", "content-type": "application/x-www-form-urlencoded" };
const DAY = 86_400;
const CUSTOMERS = 1_000;
const MIXED_REQUESTS = 40_000;
const START = Date.UTC(2026, 0, 31, 12);

function client(fetch: Fetch) {
  return async (method: "GET" | "POST", path: string, params?: Record<string, string>): Promise<Row> => {
    const body = params && { body: new URLSearchParams(params) };
    const response = await fetch(new Request(`http://bench.test${path}`, { method, headers: HEADERS, ...body }));
    const row = (await response.json()) as Row;
    if (response.status !== 200) throw new Error(`${method} ${path}: ${JSON.stringify(row)}`);
    return row;
  };
}

type Call = ReturnType<typeof client>;

async function timed<T>(work: () => Promise<T> | T): Promise<[T, number]> {
  const startedAt = performance.now();
  const result = await work();
  return [result, performance.now() - startedAt];
}

async function subscribe(call: Call): Promise<void> {
  const product = await call("POST", "/v1/products", { name: "Premium" });
  const price = await call("POST", "/v1/prices", {
    product: product.id,
    unit_amount: "900",
    currency: "usd",
    "recurring[interval]": "month",
  });
  for (let index = 0; index < CUSTOMERS; index += 1) {
    const customer = await call("POST", "/v1/customers", {
      email: `user${index}@example.com`,
      payment_method: "pm_card_visa",
    });
    const method = await call("GET", `/v1/customers/${customer.id}/payment_methods`);
    await call("POST", "/v1/subscriptions", {
      customer: customer.id,
      default_payment_method: method.data[0]?.id ?? "",
      "items[0][price]": price.id,
    });
  }
}

/** Sends requests to the emulator. Half of the requests read objects, and half of them write objects. */
async function mixed(call: Call, ids: readonly string[]): Promise<void> {
  for (let index = 0; index < MIXED_REQUESTS; index += 1) {
    const id = ids[index % ids.length] ?? "";
    if (index % 4 === 0) await call("POST", `/v1/customers/${id}`, { "metadata[k]": String(index) });
    else if (index % 4 === 1) await call("GET", `/v1/customers/${id}`);
    else if (index % 4 === 2) await call("GET", `/v1/subscriptions?customer=${id}`);
    else await call("POST", "/v1/customers", { name: "Ada" });
  }
}

const megabytes = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().heapUsed / 1e6;
};
const perSecond = (milliseconds: number): number => Math.round((MIXED_REQUESTS / milliseconds) * 1_000);

const figures: Figure[] = [];

function report(subject: string, metric: string, value: number): void {
  const [figure] = figuresOf(subject, { [metric]: value });
  if (!figure) return;
  figures.push(figure);
  const shown = Number.isInteger(value) ? value.toString() : value.toPrecision(3);
  console.log(`${`${subject}: ${figure.metric}`.padEnd(58)} ${shown} ${figure.unit}`);
}

const [first, startMs] = await timed(async () => {
  const emulator = createEmulator({ startAt: START });
  await client(emulator.fetch)("GET", "/v1/customers");
  return emulator;
});
report("start", "time to the first response (ms)", startMs);

const call = client(first.fetch);
await subscribe(call);
const customers = await call("GET", "/v1/customers?limit=100");
const ids = customers.data.map(({ id }) => id);
const example = JSON.stringify(await call("GET", `/v1/customers/${ids[0] ?? ""}`));
const floor = client(async (request) => {
  await request.text();
  return new Response(example, { headers: { "content-type": "application/json" } });
});
await mixed(floor, ids);
const [, floorMs] = await timed(() => mixed(floor, ids));
const fresh = first.fork();
const [, mixedMs] = await timed(() => mixed(client(fresh.fetch), ids));
report("empty handler", "requests (per second)", perSecond(floorMs));
report("emulator, half writes", "requests (per second)", perSecond(mixedMs));
report("emulator, half writes", "own part of the time (%)", Math.round((1 - floorMs / mixedMs) * 100));

const before = megabytes();
const [, yearMs] = await timed(() => first.advance(366 * DAY));
const after = megabytes();
report(`a year of ${CUSTOMERS} monthly subscriptions`, "time (s)", yearMs / 1_000);
report("a year of one subscription", "memory (kB)", ((after - before) / CUSTOMERS) * 1_000);
const [copy, snapshotMs] = await timed(() => first.snapshot());
const [, restoreMs] = await timed(() => first.restore(copy));
report("snapshot of that year", "time (ms)", snapshotMs);
report("restore of that snapshot", "time (ms)", restoreMs);
const [, emptyMs] = await timed(() => createEmulator({ startAt: START }).fork());
report("fork of an empty emulator", "time (ms)", emptyMs);
writeResult("emulator", figures);
