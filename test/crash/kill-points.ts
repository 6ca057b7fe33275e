/** Tests that the service loses no event and repeats no effect if it kills itself at any of the critical points. */
import { addCounts, startCrashTest, type CrashResult, type CrashTest, type CrashTestOptions } from "./crash-test.ts";
import type { KillPoint } from "./kill-at-point.ts";
import type { Replica } from "./replica.ts";

const INBOX = "insert into .?inbox";
const ASSIGNED = "update .?inbox.? set state = 'pending'";
const MIRROR = "insert into .?subscriptions";
const OUTBOX = "insert into .?outbox";
const HOOK_COMPLETED = 'update "outbox" set "state" =';
const TO_STRIPE = "^POST /v1/(customers|checkout/sessions|subscriptions)";
const TO_THE_APP = "^POST /hooks";

/** The kill points, in the order in which a payment reaches them. */
export const KILL_POINTS: Readonly<Record<string, Omit<KillPoint, "nth">>> = {
  "before the inbox's commit": { at: "statement", when: "before", matches: INBOX },
  "after the inbox's commit, before the response": { at: "statement", when: "after", matches: INBOX },
  "before new events are assigned to lanes": { at: "commit", when: "before", matches: ASSIGNED },
  "after new events are assigned to lanes": { at: "commit", when: "after", matches: ASSIGNED },
  "after a claim of the inbox": { at: "commit", when: "after", matches: "update .?inbox.? set attempts" },
  "before a request to Stripe": { at: "request", when: "before", matches: "^GET /v1/" },
  "between Stripe's response and the mirror": { at: "request", when: "after", matches: "^GET /v1/" },
  "within the mirror's transaction": { at: "statement", when: "after", matches: MIRROR },
  "before the mirror's commit": { at: "commit", when: "before", matches: MIRROR },
  "after the mirror's commit": { at: "commit", when: "after", matches: MIRROR },
  "before the commit that writes a hook": { at: "commit", when: "before", matches: OUTBOX },
  "after the commit that writes a hook": { at: "commit", when: "after", matches: OUTBOX },
  "before an operation's row": { at: "statement", when: "before", matches: "insert into .?operations" },
  "after an operation's row": { at: "statement", when: "after", matches: "insert into .?operations" },
  "between an operation's row and Stripe": { at: "request", when: "before", matches: TO_STRIPE },
  "between Stripe's change and the operation's end": { at: "request", when: "after", matches: TO_STRIPE },
  "after the operation's end": { at: "statement", when: "after", matches: "update .?operations.? set" },
  "before a customer is linked": { at: "statement", when: "before", matches: "insert into .?customer_links" },
  "before a hook's POST": { at: "request", when: "before", matches: TO_THE_APP },
  "between a hook's POST and its end": { at: "request", when: "after", matches: TO_THE_APP },
  "before a hook's end": { at: "commit", when: "before", matches: HOOK_COMPLETED },
  "after a hook's end": { at: "commit", when: "after", matches: HOOK_COMPLETED },
};

export interface KillPointsOptions extends CrashTestOptions {
  /**
   * The number of times that the test kills a process at each kill point. The first kill happens when a process first reaches
   * the kill point. The second kill happens when a process reaches the kill point a second time.
   */
  rounds: number;
  onProgress?: (line: string) => void;
}

const REACHED_WITHIN_MS = 60_000;

export async function killAtPoints({
  rounds,
  onProgress = () => {},
  ...options
}: KillPointsOptions): Promise<CrashResult> {
  const test = await startCrashTest(options);
  const [replica] = test.replicas;
  if (!replica) throw new Error("no replica to kill");
  let kills = 0;
  try {
    for (let nth = 1; nth <= rounds; nth += 1)
      for (const name of Object.keys(KILL_POINTS)) {
        await killAt(replica, name, nth);
        kills += 1;
        await test.findLost();
        onProgress(`${name}, match ${nth}: ${progressOf(test)}`);
      }
    return addCounts(await test.finish(), { kills, points: Object.keys(KILL_POINTS).length });
  } finally {
    await test.stop();
  }
}

async function killAt(replica: Replica, name: string, nth: number): Promise<void> {
  await replica.kill();
  await replica.start(JSON.stringify({ ...KILL_POINTS[name], nth }));
  await replica.diesWithin(REACHED_WITHIN_MS).catch((error: unknown) => {
    throw new Error(`the point "${name}", match ${nth}, was not reached`, { cause: error });
  });
  if (!replica.output().includes("killed at its point"))
    throw new Error(`the service ended before the point "${name}":\n${replica.output()}`);
}

function progressOf({ sender, lost }: CrashTest): string {
  return `${sender.counts.acknowledged} acknowledged, ${lost.length} lost`;
}
