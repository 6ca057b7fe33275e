/** `tollkeeper events`: what waits in inbox and outbox, what was given up and why, and a way back. */
import type { Command } from "commander";
import { DEFAULT_DATABASE_URL } from "../../config.ts";
import { NotFoundError } from "../../errors.ts";
import { openStore, type Store } from "../../store/open-store.ts";
import type { Env } from "../environment.ts";

interface Options {
  live?: boolean;
  retry?: boolean;
  show?: string;
}

/** What is shown of the dead letters. */
const MAX_SHOWN = 50;

export function addEvents(program: Command, env: Env): void {
  program
    .command("events")
    .description("show what waits in DATABASE_URL and what was given up, and why")
    .option("--live", "of live mode (default: as STRIPE_SECRET_KEY says, else test)")
    .option("--retry", "give what was given up another chance")
    .option("--show <event>", "show one event, and what was delivered where KEEP_EVENT_BODIES is set")
    .action((options: Options) => runEvents(env, options));
}

async function runEvents(env: Env, { live, retry, show }: Options): Promise<void> {
  const isLive = live ?? /^(sk|rk)_live_/.test(env["STRIPE_SECRET_KEY"] ?? "");
  const store = openStore({ url: env["DATABASE_URL"]?.trim() || DEFAULT_DATABASE_URL, mode: isLive ? "live" : "test" });
  try {
    await store.migrate();
    if (retry) {
      const [events, hooks] = await Promise.all([store.inbox.revive(Date.now()), store.outbox.revive(Date.now())]);
      console.log(`${events} events and ${hooks} hooks will be tried again by the running service.`);
    }
    if (show !== undefined) return await showEvent(store, show);
    await showQueue("Events", store.inbox);
    await showQueue("Hooks", store.outbox);
  } finally {
    await store.close();
  }
}

async function showEvent(store: Store, eventId: string): Promise<void> {
  const event = await store.inbox.find(eventId);
  if (!event)
    throw new NotFoundError(
      "not_found",
      `There is no event "${eventId}" in this database: it never arrived, or was done longer ago than done work is kept.`,
    );
  const { body, state, attempts, reason, ...envelope } = event;
  const fields = { ...envelope, state, attempts, reason };
  for (const [name, value] of Object.entries(fields)) console.log(`${name.padEnd(16)}${value ?? "-"}`);
  console.log(body === null ? "Its body was not kept: set KEEP_EVENT_BODIES=true for those to come." : body);
}

async function showQueue(title: string, queue: Store["inbox"] | Store["outbox"]): Promise<void> {
  const { pending, done, dead } = await queue.countByState();
  console.log(`${title}: ${pending} wait, ${done} done, ${dead} given up.`);
  for (const letter of await queue.listDead(MAX_SHOWN))
    console.log(
      `  ${letter.name} of ${letter.lane}, after ${letter.attempts} attempts: ${letter.reason ?? "no reason"}`,
    );
  if (dead > MAX_SHOWN) console.log(`  and ${dead - MAX_SHOWN} more`);
}
