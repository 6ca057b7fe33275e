/** `tollkeeper events`: what waits in inbox and outbox, what was given up and why, and a way back. */
import type { Command } from "commander";
import { DEFAULT_DATABASE_URL } from "../../config.ts";
import { openStore, type Store } from "../../store/database.ts";
import type { Env } from "../environment.ts";

interface Options {
  live?: boolean;
  retry?: boolean;
}

/** What is shown of the dead letters. */
const MAX_SHOWN = 50;

export function addEvents(program: Command, env: Env): void {
  program
    .command("events")
    .description("show what waits in DATABASE_URL and what was given up, and why")
    .option("--live", "of live mode (default: as STRIPE_SECRET_KEY says, else test)")
    .option("--retry", "give what was given up another chance")
    .action((options: Options) => runEvents(env, options));
}

async function runEvents(env: Env, { live, retry }: Options): Promise<void> {
  const isLive = live ?? /^(sk|rk)_live_/.test(env["STRIPE_SECRET_KEY"] ?? "");
  const store = openStore({ url: env["DATABASE_URL"]?.trim() || DEFAULT_DATABASE_URL, mode: isLive ? "live" : "test" });
  try {
    await store.migrate();
    if (retry) {
      const [events, hooks] = await Promise.all([store.inbox.revive(Date.now()), store.outbox.revive(Date.now())]);
      console.log(`${events} events and ${hooks} hooks will be tried again by the running service.`);
    }
    await show("Events", store.inbox);
    await show("Hooks", store.outbox);
  } finally {
    await store.close();
  }
}

async function show(title: string, queue: Store["inbox"] | Store["outbox"]): Promise<void> {
  const { pending, done, dead } = await queue.countByState();
  console.log(`${title}: ${pending} wait, ${done} done, ${dead} given up.`);
  for (const letter of await queue.listDead(MAX_SHOWN))
    console.log(
      `  ${letter.name} of ${letter.lane}, after ${letter.attempts} attempts: ${letter.reason ?? "no reason"}`,
    );
  if (dead > MAX_SHOWN) console.log(`  and ${dead - MAX_SHOWN} more`);
}
