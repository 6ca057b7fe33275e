import { describe, expect, test } from "vitest";
import { DIALECTS, freshDatabase } from "../../../../test/support/databases.ts";
import type { Mode } from "../../src/domain/records.ts";
import { userOwner } from "../../src/domain/owner.ts";
import type { Store } from "../../src/store/store.ts";
import { invoiceRecord, NOW, subscriptionRecord } from "../support/records.ts";
import { inboxEvent, openTestStore, untilLockWaits } from "../support/test-store.ts";

describe.each(DIALECTS)("the store on %s", (dialect) => {
  const open = async (url?: string, mode?: Mode): Promise<Store> =>
    openTestStore(url ?? (await freshDatabase(dialect)), mode);

  test("separates test data and live data in the same database", async () => {
    const url = await freshDatabase(dialect);
    const testStore = await open(url, "test");
    const liveStore = await open(url, "live");
    await testStore.customers.link([{ owner: userOwner("ada"), customerId: "cus_test" }], NOW);
    await liveStore.customers.link([{ owner: userOwner("ada"), customerId: "cus_live" }], NOW);
    expect(await testStore.customers.findPrimaryCustomer(userOwner("ada"))).toBe("cus_test");
    expect(await liveStore.customers.findPrimaryCustomer(userOwner("ada"))).toBe("cus_live");
    await testStore.inbox.add([inboxEvent("evt_1")], NOW);
    expect(await liveStore.inbox.claim(10, NOW, NOW + 1)).toEqual([]);
  });

  test("the primary customer of a user has a live subscription, or else was created first at Stripe", async () => {
    const { customers, subscriptions } = await open();
    const ada = userOwner("ada");
    const customer = (id: string, createdAt: number) => ({
      id,
      owner: ada,
      deleted: false,
      createdAt,
      defaultPaymentMethodId: null,
    });
    const ids = ["cus_c", "cus_a", "cus_b"];
    await customers.link(
      ids.map((customerId) => ({ owner: ada, customerId })),
      NOW,
    );
    await customers.saveCustomers([customer("cus_a", 3), customer("cus_b", 2), customer("cus_c", 1)]);
    expect(await customers.listCustomersOf(ada)).toEqual(["cus_c", "cus_b", "cus_a"]);
    await subscriptions.saveSubscriptions([subscriptionRecord({ customerId: "cus_a", status: "past_due" })]);
    expect(await customers.listCustomersOf(ada)).toEqual(["cus_a", "cus_c", "cus_b"]);
    await subscriptions.saveSubscriptions([subscriptionRecord({ customerId: "cus_a", status: "canceled" })]);
    await customers.saveCustomers([{ ...customer("cus_c", 1), owner: null, deleted: true }]);
    expect(await customers.findPrimaryCustomer(ada)).toBe("cus_b");
    expect(await customers.findOwnerOf("cus_c")).toEqual(ada);
    expect(await customers.countOwnersWithSeveral()).toBe(1);
  });

  test("an owner has several customers if several of the owner's linked customers are not deleted at Stripe", async () => {
    const url = await freshDatabase(dialect);
    const { customers } = await open(url);
    const counted = async () => customers.countOwnersWithSeveral();
    const customer = (id: string, owner = false, deleted = false) => ({
      id,
      owner: owner ? userOwner("ada") : null,
      deleted,
      createdAt: 1,
      defaultPaymentMethodId: null,
    });
    const link = async (customerId: string) => customers.link([{ owner: userOwner("ada"), customerId }], NOW);
    await customers.saveCustomers([customer("cus_a", true), customer("cus_b")]);
    await customers.link([{ owner: userOwner("grace"), customerId: "cus_g" }], NOW);
    await link("cus_a");
    expect(await counted()).toBe(0);
    await link("cus_b");
    expect(await counted()).toBe(1);
    expect(await (await open(url, "live")).customers.countOwnersWithSeveral()).toBe(0);
    await customers.saveCustomers([customer("cus_b", true, true)]);
    expect(await counted()).toBe(0);
    await link("cus_not_mirrored_yet");
    expect(await counted()).toBe(1);
    await link("cus_c");
    expect(await counted()).toBe(1);
  });

  test("an operation links its customer only if no owner is linked to the customer yet", async () => {
    const { customers } = await open();
    await customers.link([{ owner: userOwner("grace"), customerId: "cus_1" }], NOW);
    await customers.addLink({ owner: userOwner("ada"), customerId: "cus_1" }, NOW);
    expect(await customers.findPrimaryCustomer(userOwner("ada"))).toBeNull();
    await customers.link([{ owner: userOwner("ada"), customerId: "cus_1" }], NOW);
    expect(await customers.findPrimaryCustomer(userOwner("ada"))).toBe("cus_1");
    expect(await customers.findPrimaryCustomer(userOwner("grace"))).toBeNull();
  });

  test("a trial counts even after its customer was deleted at Stripe", async () => {
    const { customers, subscriptions } = await open();
    expect(await subscriptions.hasHadTrial(userOwner("ada"))).toBe(false);
    await customers.link([{ owner: userOwner("ada"), customerId: "cus_1" }], NOW);
    await subscriptions.saveSubscriptions([subscriptionRecord({ status: "canceled", trialStart: NOW, trialEnd: NOW })]);
    const deleted = { id: "cus_1", owner: null, deleted: true, createdAt: 0, defaultPaymentMethodId: null };
    await customers.saveCustomers([deleted]);
    expect(await subscriptions.listOfOwner(userOwner("ada"))).toEqual([]);
    expect(await subscriptions.hasHadTrial(userOwner("ada"))).toBe(true);
    expect(await subscriptions.hasHadTrial(userOwner("grace"))).toBe(false);
  });

  test("two transactions that decide a new user's access at the same time run one after the other", async () => {
    const url = await freshDatabase(dialect);
    const [one, other] = [await open(url), await open(url)];
    const holding = Promise.withResolvers<void>();
    const deciding = Promise.withResolvers<void>();
    const first = one.transaction(async ({ announcedAccess }) => {
      expect((await announcedAccess.lockForUpdate([userOwner("ada")])).get("user:ada")?.features ?? []).toEqual([]);
      holding.resolve();
      await deciding.promise;
      await announcedAccess.save([{ owner: userOwner("ada"), features: ["export"], checkAt: null }]);
    });
    await holding.promise;
    const second = other.transaction(
      async ({ announcedAccess }) =>
        (await announcedAccess.lockForUpdate([userOwner("ada")])).get("user:ada")?.features,
    );
    if (dialect === "postgres") await untilLockWaits(url);
    deciding.resolve();
    await first;
    expect(await second).toEqual(["export"]);
  });

  test("accepts only one write for each version of a lane", async () => {
    const store = await open();
    const advance = (...versions: [string, number][]) =>
      store.transaction(async (parts) => [...(await parts.lanes.advance(new Map(versions)))]);
    const results = await Promise.all(Array.from({ length: 5 }, () => advance(["cus_1", 0])));
    expect(results.flat()).toEqual(["cus_1"]);
    expect(await store.lanes.versionOf("cus_1")).toBe(1);
    expect(await advance(["cus_1", 1], ["cus_2", 0])).toEqual(["cus_1", "cus_2"]);
    expect(await advance(["cus_1", 1], ["cus_2", 1])).toEqual(["cus_2"]);
    expect(await store.lanes.all()).toEqual(
      new Map([
        ["cus_1", 2],
        ["cus_2", 2],
      ]),
    );
  });

  test("rolls back every write of a failed transaction", async () => {
    const store = await open();
    const failing = store.transaction(async (parts) => {
      await parts.customers.link([{ owner: userOwner("ada"), customerId: "cus_1" }], NOW);
      throw new Error("no");
    });
    await expect(failing).rejects.toThrow("no");
    expect(await store.customers.findPrimaryCustomer(userOwner("ada"))).toBeNull();
  });

  test("allows only one transaction at a time to change a user's access", async () => {
    const url = await freshDatabase(dialect);
    const [one, other] = [await open(url), await open(url)];
    await one.announcedAccess.save([{ owner: userOwner("ada"), features: [], checkAt: null }]);
    const holding = Promise.withResolvers<void>();
    const deciding = Promise.withResolvers<void>();
    const first = one.transaction(async ({ announcedAccess }) => {
      await announcedAccess.lockForUpdate([userOwner("ada")]);
      holding.resolve();
      await deciding.promise;
      await announcedAccess.save([{ owner: userOwner("ada"), features: ["export"], checkAt: null }]);
    });
    await holding.promise;
    const second = other.transaction(
      async ({ announcedAccess }) =>
        (await announcedAccess.lockForUpdate([userOwner("ada")])).get("user:ada")?.features,
    );
    if (dialect === "postgres") await untilLockWaits(url);
    deciding.resolve();
    await first;
    expect(await second).toEqual(["export"]);
  });

  test("counts live replicas, and removes a replica without a recent heartbeat", async () => {
    const { replicas } = await open();
    expect(await replicas.heartbeat("a", NOW, 0, null)).toBe(1);
    expect(await replicas.heartbeat("b", NOW + 10, 0, null)).toBe(2);
    expect(await replicas.heartbeat("b", NOW + 20, NOW + 10, null)).toBe(1);
    expect(await replicas.heartbeat("b", NOW + 20, 0, null)).toBe(1);
    expect(await replicas.heartbeat("a", NOW + 30, NOW + 10, null)).toBe(2);
  });

  test("begins only one of several operations with the same generation number", async () => {
    const { operations } = await open();
    const operation = {
      id: "op_1",
      kind: "checkout",
      subject: "ada",
      generation: 1,
      fingerprint: "f",
      params: "{}",
      idempotencyKey: "op_1",
      state: "pending" as const,
      result: null,
      createdAt: NOW,
      keyEndsAt: NOW + 1_000,
    };
    expect(await operations.begin(operation)).toBe(true);
    expect(await operations.begin({ ...operation, id: "op_2" })).toBe(false);
    await operations.finish("op_1", "succeeded", '{"id":1}', NOW);
    // A later outcome of an operation does not replace the first outcome.
    await operations.finish("op_1", "failed", '{"code":"late"}', NOW + 1);
    expect(await operations.findCurrent("checkout", "ada")).toMatchObject({
      state: "succeeded",
      params: null,
      result: '{"id":1}',
    });
  });

  test("returns a subscription with its invoice, price, product and card", async () => {
    const { customers, subscriptions, products } = await open();
    await customers.link([{ owner: userOwner("ada"), customerId: "cus_1" }], NOW);
    await customers.saveCustomers([
      { id: "cus_1", owner: userOwner("ada"), deleted: false, createdAt: NOW, defaultPaymentMethodId: "pm_1" },
    ]);
    const card = {
      id: "pm_1",
      customerId: "cus_1",
      type: "card",
      brand: "visa",
      last4: "4242",
      expMonth: 12,
      expYear: 2030,
    };
    await customers.savePaymentMethods([card]);
    const product = { id: "prod_1", name: "Premium", active: true, plan: "premium", app: null };
    await products.saveProducts([product]);
    await products.addProducts([{ ...product, name: "stale" }]);
    await subscriptions.saveSubscriptions([subscriptionRecord()]);
    await subscriptions.saveSubscriptions([subscriptionRecord(), subscriptionRecord({ status: "past_due" })]);
    await subscriptions.saveInvoices([invoiceRecord({ status: "open", attempted: true })]);
    expect(await subscriptions.listOfOwner(userOwner("ada"))).toEqual([
      {
        subscription: subscriptionRecord({ status: "past_due" }),
        latestInvoice: invoiceRecord({ status: "open", attempted: true }),
        unpaidSince: invoiceRecord().createdAt,
        prices: [],
        products: [product],
        reversals: null,
        paymentMethod: card,
      },
    ]);
    expect(await subscriptions.listOfOwner(userOwner("grace"))).toEqual([]);
    expect(await subscriptions.findCustomerOfObject("sub_1")).toBe("cus_1");
    expect(await subscriptions.findCustomerOfObject("sub_unknown")).toBeNull();
  });
});
