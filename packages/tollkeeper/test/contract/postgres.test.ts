import { once } from "node:events";
import { createConnection, createServer, type AddressInfo, type Socket } from "node:net";
import { sql } from "kysely";
import { expect, onTestFinished, test } from "vitest";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { userOwner } from "../../src/domain/owner.ts";
import { openStore } from "../../src/store/open-store.ts";
import type { Store } from "../../src/store/store.ts";
import { NOW } from "../support/records.ts";
import { inboxEvent, openTestDatabase, openTestStore } from "../support/test-store.ts";

test("the store's analyze method updates PostgreSQL's statistics from a sample of the requested size", async () => {
  const url = await freshDatabase("postgres");
  const store = await openTestStore(url);
  const links = Array.from({ length: 50 }, (_, at) => ({ owner: userOwner(`user${at}`), customerId: `cus_${at}` }));
  await store.customers.link(links, NOW);
  const db = openTestDatabase(url);
  const statistics = async () => {
    const { rows } = await sql`
      select reltuples as rows, array_length(histogram_bounds::text::text[], 1) as bounds
      from pg_class join pg_stats on tablename = relname
      where relname = 'customer_links' and attname = 'owner_id'`.execute(db);
    return rows;
  };
  await store.analyze("small");
  expect(await statistics()).toEqual([{ rows: 50, bounds: 2 }]);
  await store.analyze("usual");
  expect(await statistics()).toEqual([{ rows: 50, bounds: 50 }]);
});

test("the store fails with an unavailable error if PostgreSQL is unreachable", async () => {
  const store = openStore({ url: "postgres://unknown@127.0.0.1:1/none", mode: "test" });
  onTestFinished(() => store.close());
  await expect(store.ping(NOW)).rejects.toMatchObject({ code: "store_unavailable", retryable: true });
});

test("the store fails with an unavailable error if PostgreSQL does not respond, and then opens a new connection", async () => {
  const url = new URL(await freshDatabase("postgres"));
  let isSilent = false;
  const server = createServer((client) => {
    const database = createConnection(Number(url.port), url.hostname);
    const pass = (from: Socket, to: Socket): void => {
      from.on("data", (bytes) => isSilent || to.write(bytes));
      from.on("close", () => to.destroy());
      from.on("error", () => {});
    };
    pass(client, database);
    pass(database, client);
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  const { port } = server.address() as AddressInfo;
  const lost: string[] = [];
  const store = openStore({
    url: Object.assign(new URL(url), { port: String(port) }).href,
    mode: "test",
    responseTimeoutMs: 1_000,
    onConnectionLost: ({ message }) => lost.push(message),
  });
  onTestFinished(async () => {
    await store.close();
    server.close();
  });
  await store.migrate();
  await store.ping(NOW);
  const save = (work: () => void) =>
    store.transaction(async (parts) => {
      await parts.customers.link([{ owner: userOwner("ada"), customerId: "cus_1" }], NOW);
      work();
    });
  const silence = () => {
    isSilent = true;
  };
  const calls = [
    async () => {
      silence();
      await store.ping(NOW);
    },
    () => save(silence),
    () =>
      store.transaction(async (parts) => {
        silence();
        await parts.lanes.versionOf("cus_1");
      }),
  ];
  for (const [before, call] of calls.entries()) {
    expect(lost).toHaveLength(before);
    await expect(call()).rejects.toMatchObject({ code: "store_unavailable", retryable: true });
    isSilent = false;
    await store.ping(NOW);
  }
  expect(new Set(lost)).toEqual(new Set(["PostgreSQL sent no response for 1000 ms"]));
  expect(await store.customers.findPrimaryCustomer(userOwner("ada"))).toBeNull();
});

test("the store on PostgreSQL sends notifications about new events to other replicas in the same mode", async () => {
  const url = await freshDatabase("postgres");
  const [writer, listener, live] = [
    await openTestStore(url),
    await openTestStore(url),
    await openTestStore(url, "live"),
  ];
  const notified: string[] = [];
  const calls = new Map<string, () => void>();
  const listen = async (name: string, store: Store): Promise<() => Promise<void>> => {
    const ready = new Promise<void>((resolve) => calls.set(name, resolve));
    const stop = store.onNewEvents(() => {
      notified.push(name);
      calls.get(name)?.();
    });
    await ready;
    return stop;
  };
  const stops = [await listen("test", listener), await listen("live", live)];
  onTestFinished(async () => void (await Promise.all(stops.map((stop) => stop()))));
  notified.length = 0;
  for (const id of ["evt_1", "evt_2"]) {
    const received = new Promise<void>((resolve) => calls.set("test", resolve));
    await writer.inbox.add([inboxEvent(id)], NOW);
    await received;
  }
  expect(notified).toEqual(["test", "test"]);
});
