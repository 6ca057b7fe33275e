/** What `npm run crash` kills at is recognized by the texts of statements: a mark that no statement bears is never reached. */
import { DatabaseSync } from "node:sqlite";
import pg from "pg";
import { expect, onTestFinished, test, vi } from "vitest";
import { POINTS } from "../crash/marked-points.ts";
import { createWorld } from "../support/world.ts";

/** The texts of all statements from here on. */
function hear(): string[] {
  const texts: string[] = [];
  const prepare = DatabaseSync.prototype.prepare;
  const clients = pg.Client.prototype as unknown as { query(this: pg.Client, ...given: unknown[]): unknown };
  const { query } = clients;
  const spies = [
    vi.spyOn(DatabaseSync.prototype, "prepare").mockImplementation(function heard(this: DatabaseSync, text) {
      texts.push(text);
      return prepare.call(this, text);
    }),
    vi.spyOn(clients, "query").mockImplementation(function heard(this: pg.Client, ...given) {
      const [first] = given;
      texts.push(typeof first === "string" ? first : ((first as { text?: string }).text ?? ""));
      return query.apply(this, given);
    }),
  ];
  onTestFinished(() => spies.forEach((spy) => spy.mockRestore()));
  return texts;
}

test.each(["sqlite", "postgres"] as const)("a purchase on %s passes every mark on a statement", async (dialect) => {
  const texts = hear();
  const paid: string[] = [];
  const hooks = { onPaymentSucceeded: ({ userId }: { userId: string }) => void paid.push(userId) };
  const world = await createWorld({ dialect, options: { hooks } });
  await world.subscribe("ada");
  expect(paid).toEqual(["ada"]);
  const marks = Object.entries(POINTS).filter(([, { at }]) => at !== "request");
  const missing = marks.filter(([, { matches }]) => !texts.some((text) => new RegExp(matches, "i").test(text)));
  expect(missing).toEqual([]);
});
