import { expect, onTestFinished, test } from "vitest";
import { restartPostgres } from "../crash/postgres-restarts.ts";
import { killAtRandom } from "../crash/random-kills.ts";
import { freshDatabase } from "../support/databases.ts";
import { startPostgres } from "../support/postgres.ts";

/** Few and slow, beside all other tests; `npm run crash` has the many. */
const KILLS = 4;
const RESTARTS = 2;
const EVENTS_PER_SECOND = 100;
const SEED = 7;
const LONG_MS = 180_000;

test(
  "killed at any moment on SQLite and started again, it has lost nothing it acknowledged and done nothing twice",
  async () => {
    const databaseUrl = await freshDatabase("sqlite");
    const { problems } = await killAtRandom({ databaseUrl, seed: SEED, kills: KILLS, perSecond: EVENTS_PER_SECOND });
    expect(problems).toEqual([]);
  },
  LONG_MS,
);

test(
  "two replicas on one PostgreSQL, one killed at a time, lose nothing they acknowledged and do nothing twice",
  async () => {
    const databaseUrl = await freshDatabase("postgres");
    const { problems } = await killAtRandom({
      databaseUrl,
      seed: SEED,
      replicas: 2,
      kills: KILLS,
      perSecond: EVENTS_PER_SECOND,
    });
    expect(problems).toEqual([]);
  },
  LONG_MS,
);

test.skipIf(process.env["TEST_DATABASE_URL"])(
  "while PostgreSQL is restarted it says 503, lives on, and has lost nothing it acknowledged",
  async () => {
    const postgres = await startPostgres();
    onTestFinished(() => postgres.stop());
    const { problems } = await restartPostgres({
      databaseUrl: postgres.url,
      postgres,
      seed: SEED,
      restarts: RESTARTS,
      perSecond: EVENTS_PER_SECOND,
    });
    expect(problems).toEqual([]);
  },
  LONG_MS,
);
