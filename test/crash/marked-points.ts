/** The service kills itself exactly where a crash would hurt most, again and again. */
import type { Mark } from "./die-at.ts";
import { openSite, type SiteOptions, type Verdict } from "./site.ts";

const INBOX = "insert into .?inbox";
const TAKEN_IN = "update .?inbox.? set state = 'pending'";
const MIRROR = "insert into .?subscriptions";
const OUTBOX = "insert into .?outbox";
const HOOK_ENDED = 'update "outbox" set "state" =';
const TO_STRIPE = "^POST /v1/(customers|checkout/sessions|subscriptions)";
const TO_THE_APP = "^POST /hooks";

/** What is marked, in the order of a payment's life. */
export const POINTS: Readonly<Record<string, Omit<Mark, "nth">>> = {
  "before the inbox's commit": { at: "statement", when: "before", matches: INBOX },
  "after the inbox's commit, before the answer": { at: "statement", when: "after", matches: INBOX },
  "before new events are given to their lanes": { at: "commit", when: "before", matches: TAKEN_IN },
  "after new events are given to their lanes": { at: "commit", when: "after", matches: TAKEN_IN },
  "after a claim of the inbox": { at: "commit", when: "after", matches: "update .?inbox.? set attempts" },
  "before Stripe is asked": { at: "request", when: "before", matches: "^GET /v1/" },
  "between Stripe's answer and the mirror": { at: "request", when: "after", matches: "^GET /v1/" },
  "within the mirror's transaction": { at: "statement", when: "after", matches: MIRROR },
  "before the mirror's commit": { at: "commit", when: "before", matches: MIRROR },
  "after the mirror's commit": { at: "commit", when: "after", matches: MIRROR },
  "before the commit that writes a hook": { at: "commit", when: "before", matches: OUTBOX },
  "after the commit that writes a hook": { at: "commit", when: "after", matches: OUTBOX },
  "before an operation's row": { at: "statement", when: "before", matches: "insert into .?operations" },
  "after an operation's row": { at: "statement", when: "after", matches: "insert into .?operations" },
  "between an operation's row and Stripe": { at: "request", when: "before", matches: TO_STRIPE },
  "between Stripe's act and the operation's end": { at: "request", when: "after", matches: TO_STRIPE },
  "after the operation's end": { at: "statement", when: "after", matches: "update .?operations.? set" },
  "before a customer is linked": { at: "statement", when: "before", matches: "insert into .?customer_links" },
  "before a hook's POST": { at: "request", when: "before", matches: TO_THE_APP },
  "between a hook's POST and its end": { at: "request", when: "after", matches: TO_THE_APP },
  "before a hook's end": { at: "commit", when: "before", matches: HOOK_ENDED },
  "after a hook's end": { at: "commit", when: "after", matches: HOOK_ENDED },
};

export interface MarkedPoints extends SiteOptions {
  /** How often each point is killed at: at its first occasion, its second, and so on. */
  rounds: number;
  onProgress?: (line: string) => void;
}

const REACHED_WITHIN_MS = 60_000;

export async function killAtMarks({ rounds, onProgress = () => {}, ...options }: MarkedPoints): Promise<Verdict> {
  const site = await openSite(options);
  const [replica] = site.replicas;
  if (!replica) throw new Error("there is no replica to kill");
  let kills = 0;
  try {
    for (let nth = 1; nth <= rounds; nth += 1)
      for (const [name, point] of Object.entries(POINTS)) {
        await replica.kill();
        await replica.start(JSON.stringify({ ...point, nth } satisfies Mark));
        await replica.diesWithin(REACHED_WITHIN_MS).catch((error: unknown) => {
          throw new Error(`${name}, occasion ${nth}, was not reached`, { cause: error });
        });
        if (!replica.output().includes("died at its mark"))
          throw new Error(`${name}: it ended elsewhere:\n${replica.output()}`);
        kills += 1;
        await site.look();
        onProgress(
          `${name}, occasion ${nth}: ${site.sender.counts.acknowledged} acknowledged, ${site.lost.length} lost`,
        );
      }
    const verdict = await site.finish();
    return { ...verdict, figures: `${kills} kills at ${Object.keys(POINTS).length} points, ${verdict.figures}` };
  } finally {
    await site.close();
  }
}
