import { expect, onTestFinished, test } from "vitest";
import configuration from "../../tollkeeper.config.ts";
import { openStore } from "../../src/store/database.ts";
import { ALLOWED_WEBHOOK_EVENTS } from "../../src/index.ts";
import { DIALECTS } from "../support/databases.ts";
import { CLI, runNode, type Program } from "../support/program.ts";
import { eventually, setStage, type Stage } from "../support/stage.ts";

const KILLS = 8;
const USERS_A_KILL = 6;
/** From before the first answer to after the last webhook of a round. */
const LATEST_KILL_MS = 400;
const PAST_RETRIES_SECONDS = 3_600;
const LONG_MS = 120_000;

interface StripeEvent {
  id: string;
  type: string;
  data: { object: { id: string; customer: string | null; metadata?: Record<string, string> } };
}

test.each(DIALECTS)(
  "killed at any moment on %s and started again, it has lost nothing it acknowledged and charged nobody twice",
  async (dialect) => {
    const stage = await setStage({ plans: configuration.plans, dialect });
    const users: string[] = [];
    for (let kill = 0; kill < KILLS; kill++) {
      const service = await start(stage);
      const round = Array.from({ length: USERS_A_KILL }, (_, at) => `user-${kill}-${at}`);
      users.push(...round);
      const buying = Promise.all(round.map((user) => buy(stage, user)));
      // Spread evenly over the round, so that every part of it is hit.
      await new Promise((resolve) => setTimeout(resolve, (LATEST_KILL_MS * (kill + 0.5)) / KILLS));
      await service.stop("SIGKILL");
      await buying;
    }
    await start(stage);
    // Whoever saw an error tries again, as people do.
    for (const user of users) await buy(stage, user);
    await stage.emulator.advance(PAST_RETRIES_SECONDS);

    for (const user of users) await openTo(stage, user);
    const events = await listEvents(stage);
    const owners = events.filter(({ type }) => type === "customer.created").map(userOf);
    expect(owners.toSorted()).toEqual(users.toSorted());
    const charged = events.filter(({ type }) => type === "charge.succeeded").map(customerOf);
    expect(charged).toHaveLength(users.length);
    expect(new Set(charged).size).toBe(users.length);
    expect(await missingFromInbox(stage, acknowledged(stage, events))).toEqual([]);
  },
  LONG_MS,
);

async function start(stage: Stage): Promise<Program> {
  const service = runNode([CLI, "serve"], { env: stage.env });
  await service.printed(/^Tollkeeper on http/);
  return service;
}

/** Opens a checkout and pays it; what a killed service leaves undone is left undone. */
async function buy(stage: Stage, user: string): Promise<void> {
  const request = { plan: "premium", interval: "month" };
  const opened = await stage.call(user, "POST", "/stripe/create-checkout-session", request).catch(() => null);
  if (opened?.status !== 200) return;
  const page = `/v1/payment_pages/${String(opened.body["sessionId"])}/confirm`;
  await stage.stripe("POST", page, { payment_method: "pm_card_visa" });
}

async function openTo(stage: Stage, user: string): Promise<void> {
  await eventually(
    () => stage.call(user, "GET", "/stripe/entitlements"),
    ({ body }) => JSON.stringify(body).includes('"exports"'),
  );
}

async function listEvents(stage: Stage): Promise<StripeEvent[]> {
  const events: StripeEvent[] = [];
  for (let after = ""; ; after = `&starting_after=${events.at(-1)?.id ?? ""}`) {
    const { body } = await stage.stripe("GET", `/v1/events?limit=100${after}`);
    events.push(...(body["data"] as StripeEvent[]));
    if (body["has_more"] !== true) return events;
  }
}

function acknowledged(stage: Stage, events: readonly StripeEvent[]): string[] {
  const kept = new Set(events.filter(({ type }) => ALLOWED_WEBHOOK_EVENTS.has(type)).map(({ id }) => id));
  return stage.emulator
    .deliveries()
    .filter(({ eventId, state }) => state === "delivered" && kept.has(eventId))
    .map(({ eventId }) => eventId);
}

async function missingFromInbox(stage: Stage, eventIds: readonly string[]): Promise<string[]> {
  const store = openStore({ url: stage.env["DATABASE_URL"] ?? "", mode: "test" });
  onTestFinished(() => store.close());
  const absent: string[] = [];
  for (const eventId of eventIds) {
    const event = { eventId, type: "invoice.paid", objectId: "in_0", lane: "cus_0", eventCreatedAt: 0 };
    // Only what is not there can be added.
    if ((await store.inbox.add([event], 0)).has(eventId)) absent.push(eventId);
  }
  return absent;
}

function userOf({ data }: StripeEvent): string {
  return data.object.metadata?.["auth0_user_id"] ?? "";
}

function customerOf({ data }: StripeEvent): string | null {
  return data.object.customer;
}
