/** `tollkeeper events`: shows pending rows and dead letters of inbox and outbox, and retries dead letters. */
import type { Command } from "commander";
import { modeOf } from "../../config/relations.ts";
import { NotFoundError } from "../../errors.ts";
import type { Store } from "../../store/store.ts";
import type { Environment } from "../../environment.ts";
import { exitWith, type Outcome } from "../exit-codes.ts";
import { CONFIG_OPTION, loadOptionsWithoutPlans } from "../load-options.ts";
import { openCommandStore, withMigratedStore } from "../open-command-store.ts";

interface Options {
  config?: string;
  live?: boolean;
  retry?: boolean;
  show?: string;
}

/** Maximum number of dead letters that `tollkeeper events` shows. */
const MAX_SHOWN = 50;

export function addEvents(program: Command, env: Environment): void {
  program
    .command("events")
    .description("show pending events and hooks and the dead letters in DATABASE_URL")
    .option(...CONFIG_OPTION)
    .option("--live", "use live mode (default: the mode of STRIPE_SECRET_KEY, else test)")
    .option("--retry", "retry all dead letters")
    .option("--show <event>", "show one event, and its body if KEEP_EVENT_BODIES is set")
    .action((options: Options) => exitWith(runEvents(env, options)));
}

async function runEvents(env: Environment, { config, live, retry, show }: Options): Promise<Outcome> {
  const options = await loadOptionsWithoutPlans(env, config);
  const mode = live ? "live" : modeOf(options.stripeSecretKey ?? "");
  const opened = openCommandStore(options, { mode, readOnly: !retry });
  return withMigratedStore(opened, async (store): Promise<Outcome> => {
    if (retry) {
      const [events, hooks] = await Promise.all([store.inbox.redrive(Date.now()), store.outbox.redrive(Date.now())]);
      console.log(`${events} events and ${hooks} hooks will be retried by the running service.`);
    }
    if (show !== undefined) await showEvent(store, show);
    else {
      await showQueue("Events", store.inbox);
      await showQueue("Hooks", store.outbox);
      for (const [hook, rows] of await store.outbox.countUnhandled())
        console.log(`  ${rows} of the pending hooks are ${hook}, which no running process handles.`);
    }
    return "done";
  });
}

async function showEvent(store: Store, eventId: string): Promise<void> {
  const event = await store.inbox.find(eventId);
  if (!event)
    throw new NotFoundError(
      "not_found",
      `Event "${eventId}" not found in this database. The event never arrived, or it was done and pruned. Check the id, and the mode: use --live for live events.`,
    );
  const { body, state, attempts, reason, ...envelope } = event;
  const fields = { ...envelope, state, attempts, reason };
  for (const [name, value] of Object.entries(fields)) console.log(`${name.padEnd(16)}${value ?? "-"}`);
  console.log(
    body === null ? "Its body is not stored. Set KEEP_EVENT_BODIES=true to store the bodies of new events." : body,
  );
}

async function showQueue(title: string, queue: Store["inbox"] | Store["outbox"]): Promise<void> {
  const { pending, done, dead } = await queue.countByState();
  console.log(`${title}: ${pending} pending, ${done} done, ${dead} dead.`);
  for (const letter of await queue.listDeadLetters(MAX_SHOWN))
    console.log(
      `  ${letter.name} of ${letter.lane}, after ${letter.attempts} attempts: ${letter.reason ?? "no reason"}`,
    );
  if (dead > MAX_SHOWN) console.log(`  and ${dead - MAX_SHOWN} more`);
}
