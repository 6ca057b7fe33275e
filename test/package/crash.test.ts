import { expect, onTestFinished, test } from "vitest";
import { restartPostgres } from "../crash/postgres-restarts.ts";
import { killAtRandom } from "../crash/random-kills.ts";
import { freshDatabase } from "../support/databases.ts";
import { startPostgres } from "../support/postgres.ts";

/** These crash tests use few kills and events, because other tests run at the same time. `npm run crash` uses more. */
const KILLS = 4;
const RESTARTS = 2;
const EVENTS_PER_SECOND = 100;
const SEED = 7;
const LONG_MS = 180_000;

test(
  "a service on SQLite that is killed at random loses no acknowledged event and repeats no effect",
  async () => {
    const databaseUrl = await freshDatabase("sqlite");
    const { problems } = await killAtRandom({ databaseUrl, seed: SEED, kills: KILLS, perSecond: EVENTS_PER_SECOND });
    expect(problems).toEqual([]);
  },
  LONG_MS,
);

test(
  "two replicas on PostgreSQL that are killed in turn lose no acknowledged event and repeat no effect",
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
  "while PostgreSQL restarts, the service returns 503, keeps running and loses no acknowledged event",
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
