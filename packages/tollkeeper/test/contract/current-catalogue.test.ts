/** Tests which plans a replica uses while several versions of the app run. */
import { expect, test } from "vitest";
import { createCurrentCatalogue } from "../../src/compose/catalogue.ts";
import { DEFAULT_ACCESS_POLICY } from "../../src/domain/access.ts";
import { definePlans, type Plans } from "../../src/domain/plans.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { openStoreAt } from "../support/store.ts";

const plansNamed = (name: string): Plans =>
  definePlans([{ id: "premium", name, features: [], prices: [{ interval: "month", amount: 900, currency: "usd" }] }]);
const now = (): number => NOW;

test("a slow reading of the running versions does not bring older plans back", async () => {
  const store = await openStoreAt(await freshDatabase("sqlite"));
  const slow = Promise.withResolvers<void>();
  let readings = 0;
  const listRunning: typeof store.catalogues.listRunning = async (...query) => {
    const running = await store.catalogues.listRunning(...query);
    readings += 1;
    if (readings === 2) await slow.promise;
    return running;
  };
  const replica = createCurrentCatalogue(
    { store: { catalogues: { ...store.catalogues, listRunning } }, runtime: { now } },
    { plans: plansNamed("Old"), policy: DEFAULT_ACCESS_POLICY },
  );
  await replica.register();
  const first = replica.follow();
  await expect.poll(() => readings).toBe(2);
  const newer = createCurrentCatalogue(
    { store, runtime: { now } },
    { plans: plansNamed("New"), policy: DEFAULT_ACCESS_POLICY },
  );
  await newer.register();
  await store.replicas.heartbeat("newer", NOW, 0, newer.own);
  const second = replica.follow();
  // The second reading has time to end before the first one.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
  slow.resolve();
  await Promise.all([first, second]);
  expect(replica.plans.map(({ name }) => name)).toEqual(["New"]);
});
