/**
 * `npm run crash` recognizes its kill points by the text of SQL statements. A kill point is never reached if its pattern
 * matches no SQL statement.
 */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { KILL_POINTS } from "../crash/kill-points.ts";
import { createTestHarness } from "../support/harness.ts";
import type { PaymentHook } from "../../packages/tollkeeper/src/index.ts";

/** Records the text of every SQL statement that runs after this call. */
function recordStatements(): string[] {
  const texts: string[] = [];
  const prepare = DatabaseSync.prototype.prepare;
  const clients = pg.Client.prototype as unknown as { query(this: pg.Client, ...given: unknown[]): unknown };
  const { query } = clients;
  const spies = [
    vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function recorded(this: DatabaseSync, text) {
      texts.push(text);
      return prepare.call(this, text);
    }),
    vi.spyOn(clients, "query").mockImplementation(function recorded(this: pg.Client, ...given) {
      const [first] = given;
      texts.push(typeof first === "string" ? first : ((first as { text?: string }).text ?? ""));
      return query.apply(this, given);
    }),
  ];
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return texts;
}

test.each(["sqlite", "postgres"] as const)(
  "a purchase on %s reaches every kill point that is at an SQL statement or at a commit",
  async (dialect) => {
    const texts = recordStatements();
    const paid: string[] = [];
    const hooks = { onPaymentSucceeded: ({ owner }: PaymentHook) => void paid.push(owner.id) };
    const billing = await createTestHarness({ dialect, options: { hooks } });
    await billing.subscribe("ada");
    expect(paid).toEqual(["ada"]);
    const points = Object.entries(KILL_POINTS).filter(([, { at }]) => at !== "request");
    const missing = points.filter(([, { matches }]) => !texts.some((text) => new RegExp(matches, "i").test(text)));
    expect(missing).toEqual([]);
  },
);
