/** Tests the comparison of all owners' access after a change of plans. */
import { expect, test } from "vitest";
import { userOwner } from "../../src/domain/owner.ts";
import { createCompareAccess } from "../../src/reconcile/compare-access.ts";
import { freshDatabase } from "../../../../test/support/databases.ts";
import { NOW } from "../support/records.ts";
import { openStoreAt } from "../support/store.ts";
import { testRuntime } from "../support/runtime.ts";

const OWNERS = 450;

test("a comparison that an interruption and replicas with other plans have disturbed runs once more", async () => {
  const store = await openStoreAt(await freshDatabase("sqlite"));
  const links = Array.from({ length: OWNERS }, (_, at) => ({ owner: userOwner(`user${at}`), customerId: `cus_${at}` }));
  await store.customers.link(links, NOW);
  let isShared = false;
  let compared = 0;
  let interruption: AbortController | null = new AbortController();
  const compareAccess = createCompareAccess({
    store,
    runtime: testRuntime(() => NOW),
    follow: async () => ({ fingerprint: "new plans", isShared, inCode: [] }),
    sync: {
      async announceAccess(owners) {
        compared += owners.length;
        interruption?.abort();
      },
    },
  });
  const run = async (): Promise<number> => {
    compared = 0;
    await compareAccess(interruption?.signal ?? new AbortController().signal);
    return compared;
  };
  expect(await run()).toBe(200);
  interruption = null;
  isShared = true;
  expect(await run()).toBe(OWNERS - 200);
  expect(await run()).toBe(OWNERS);
  expect(await run()).toBe(0);
});
