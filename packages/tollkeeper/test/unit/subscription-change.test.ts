import { describe, expect, test } from "vitest";
import type { SubscriptionRecord, SubscriptionStatus } from "../../src/domain/records.ts";
import { decideCancel, decideResume, type LastChange } from "../../src/domain/subscription-change.ts";
import { DAY_MS, NOW, subscriptionRecord } from "../support/records.ts";

const PERIOD_END = NOW + 20 * DAY_MS;
const EARLIER = NOW + 5 * DAY_MS;
const LATER = NOW + 120 * DAY_MS;
const AT_PERIOD_END = { cancelAt: PERIOD_END, cancelAtPeriodEnd: true };
const COLLECTION_PAUSED = { pauseBehavior: "void" } as const;
const SCHEDULE = { scheduleId: "sub_sched_1" };

type Fields = Partial<SubscriptionRecord>;

/** Returns a short text for a decision, such as "refused: paused" or "cancel at period_end". */
function cancel(fields: Fields, last: LastChange | null = null): string {
  const decision = decideCancel(subscriptionRecord(fields), last, NOW);
  if (decision.kind === "refused") return `refused: ${decision.reason}`;
  if (decision.kind === "fulfilled") return "fulfilled";
  if (decision.change.change !== "cancel") throw new Error("a cancellation decided to resume");
  const { end, scheduleId, merchantCancelAt } = decision.change;
  const release = scheduleId === null ? "" : ", release the schedule";
  return `cancel at ${end}${release}${merchantCancelAt === null ? "" : `, keep ${merchantCancelAt}`}`;
}

function resume(fields: Fields, last: LastChange | null = null): string {
  const decision = decideResume(subscriptionRecord(fields), last, NOW);
  if (decision.kind === "refused") return `refused: ${decision.reason}`;
  if (decision.kind === "fulfilled") return "fulfilled";
  if (decision.change.change !== "resume") throw new Error("a resumption decided to cancel");
  const { cancelAtPeriodEnd, merchantCancelAt } = decision.change;
  if (merchantCancelAt !== null) return `end at ${merchantCancelAt}`;
  return cancelAtPeriodEnd ? "clear cancel_at_period_end" : "clear cancel_at";
}

describe("a request to cancel", () => {
  test.each<[string, Fields, string]>([
    ["that renews", {}, "cancel at period_end"],
    ["that is in its trial", { status: "trialing" }, "cancel at period_end"],
    ["that is past due", { status: "past_due" }, "cancel at period_end"],
    ["that is unpaid", { status: "unpaid" }, "cancel at period_end"],
    ["that is canceled at its period's end", AT_PERIOD_END, "fulfilled"],
    ["whose flag alone says that it is canceled", { cancelAtPeriodEnd: true }, "fulfilled"],
    ["that the portal has canceled", { cancelAt: PERIOD_END }, "fulfilled"],
    ["that the merchant ends earlier", { cancelAt: EARLIER }, "fulfilled"],
    ["that the merchant ends later", { cancelAt: LATER }, `cancel at period_end, keep ${LATER}`],
    ["with a schedule", SCHEDULE, "cancel at period_end, release the schedule"],
    [
      "with a schedule that ends it later",
      { ...SCHEDULE, cancelAt: LATER },
      `cancel at period_end, release the schedule, keep ${LATER}`,
    ],
    ["with a schedule that ends it at the period's end", { ...SCHEDULE, cancelAt: PERIOD_END }, "fulfilled"],
    ["whose collection is paused", COLLECTION_PAUSED, "cancel at period_end"],
    ["whose collection is paused and that ends earlier", { ...COLLECTION_PAUSED, cancelAt: EARLIER }, "fulfilled"],
    ["that is paused", { status: "paused" }, `cancel at ${PERIOD_END}`],
    ["that is paused and ends later", { status: "paused", cancelAt: LATER }, `cancel at ${PERIOD_END}, keep ${LATER}`],
  ])("of a subscription %s", (_name, fields, expected) => {
    expect(cancel(fields)).toBe(expected);
  });

  test("of a paused subscription whose period is over ends the subscription now, because the period never renews", () => {
    const [item] = subscriptionRecord().items;
    const items = item ? [{ ...item, currentPeriodEnd: NOW - DAY_MS }] : [];
    expect(cancel({ status: "paused", items })).toBe("cancel at now");
    expect(cancel({ status: "paused", items, cancelAtPeriodEnd: true })).toBe("cancel at now");
  });

  test.each<SubscriptionStatus>(["incomplete", "incomplete_expired", "canceled"])(
    "of a subscription that is %s is refused, except if an earlier request has ended it",
    (status) => {
      expect(cancel({ status })).toBe("refused: not_live");
      expect(cancel({ status }, { change: "cancel", end: "period_end", cancelAt: PERIOD_END })).toBe(
        "refused: not_live",
      );
      expect(cancel({ status }, { change: "cancel", end: "now", cancelAt: null })).toBe("fulfilled");
    },
  );
});

describe("a request to resume", () => {
  test.each<[string, Fields, string]>([
    ["that renews", {}, "fulfilled"],
    ["that is past due", { status: "past_due" }, "fulfilled"],
    ["that is canceled at its period's end", AT_PERIOD_END, "clear cancel_at_period_end"],
    ["whose flag alone says that it is canceled", { cancelAtPeriodEnd: true }, "clear cancel_at_period_end"],
    ["that the portal has canceled", { cancelAt: PERIOD_END }, "clear cancel_at"],
    ["that the merchant ends earlier", { cancelAt: EARLIER }, "refused: set_by_merchant"],
    ["that the merchant ends later", { cancelAt: LATER }, "refused: set_by_merchant"],
    ["whose cancellation replaced a later end", { ...AT_PERIOD_END, merchantCancelAt: LATER }, `end at ${LATER}`],
    [
      "whose cancellation replaced an end that has passed",
      { ...AT_PERIOD_END, merchantCancelAt: NOW - DAY_MS },
      "clear cancel_at_period_end",
    ],
    ["that a schedule ends", { ...SCHEDULE, cancelAt: PERIOD_END }, "refused: set_by_merchant"],
    ["that a schedule changes", SCHEDULE, "fulfilled"],
    ["whose collection is paused", COLLECTION_PAUSED, "refused: collection_paused"],
    [
      "whose collection is paused and that is canceled",
      { ...COLLECTION_PAUSED, ...AT_PERIOD_END },
      "clear cancel_at_period_end",
    ],
    ["that is paused", { status: "paused" }, "refused: paused"],
    ["that is paused and canceled", { status: "paused", ...AT_PERIOD_END }, "clear cancel_at_period_end"],
    ["that has ended", { status: "canceled" }, "refused: not_live"],
    ["whose first payment is missing", { status: "incomplete" }, "refused: not_live"],
  ])("of a subscription %s", (_name, fields, expected) => {
    expect(resume(fields)).toBe(expected);
  });

  test("removes an end that an operation of this service has set, even if it is no period's end any more", () => {
    const last: LastChange = { change: "cancel", end: EARLIER, cancelAt: EARLIER };
    expect(resume({ cancelAt: EARLIER }, last)).toBe("clear cancel_at");
    expect(resume({ cancelAt: LATER }, last)).toBe("refused: set_by_merchant");
  });

  test("is fulfilled by an earlier request, as long as the subscription is in the state that the request has left", () => {
    const restored: LastChange = { change: "resume", cancelAt: LATER, paused: false };
    expect(resume({ cancelAt: LATER }, restored)).toBe("fulfilled");
    expect(resume({ cancelAt: EARLIER }, restored)).toBe("refused: set_by_merchant");
    expect(resume(AT_PERIOD_END, { ...restored, cancelAt: PERIOD_END })).toBe("clear cancel_at_period_end");
    const whilePaused: LastChange = { change: "resume", cancelAt: null, paused: true };
    expect(resume({ status: "paused" }, whilePaused)).toBe("fulfilled");
    expect(resume({ status: "paused" }, { ...whilePaused, paused: false })).toBe("refused: paused");
    expect(resume(COLLECTION_PAUSED, whilePaused)).toBe("fulfilled");
    expect(resume(COLLECTION_PAUSED, { ...whilePaused, paused: false })).toBe("refused: collection_paused");
  });
});

describe("in every combination of status, pause, end, schedule and last change", () => {
  const statuses: SubscriptionStatus[] = ["trialing", "active", "past_due", "unpaid", "paused"];
  const ends: Fields[] = [
    {},
    AT_PERIOD_END,
    ...[PERIOD_END, EARLIER, LATER].flatMap((cancelAt) => [{ cancelAt }, { cancelAt, merchantCancelAt: LATER }]),
  ];
  const pauses: Fields[] = [{}, COLLECTION_PAUSED];
  const states: Fields[] = statuses.flatMap((status) =>
    pauses.flatMap((pause) =>
      ends.flatMap((end) => [{}, SCHEDULE].map((schedule) => ({ status, ...pause, ...end, ...schedule }))),
    ),
  );
  const lasts: (LastChange | null)[] = [
    null,
    ...[PERIOD_END, EARLIER, LATER].map((cancelAt): LastChange => ({ change: "cancel", end: cancelAt, cancelAt })),
  ];
  const cases = states.flatMap((state) => lasts.map((last) => ({ state, last })));

  test("a request to cancel is never refused, and is fulfilled only if the subscription ends with its period", () => {
    const wrong = cases.filter(({ state, last }) => {
      const result = cancel(state, last);
      const endsInTime = state.cancelAt != null && state.cancelAt <= PERIOD_END;
      return result === "fulfilled" ? !endsInTime : endsInTime || result.startsWith("refused");
    });
    expect(wrong).toEqual([]);
  });

  test("a request to resume is fulfilled only if no end is scheduled and nothing is paused", () => {
    const wrong = cases.filter(({ state, last }) => {
      const isRunning = state.status !== "paused" && state.pauseBehavior == null && state.cancelAt == null;
      return (resume(state, last) === "fulfilled") !== isRunning;
    });
    expect(wrong).toEqual([]);
  });

  test("a request to resume never removes an end that only the merchant can have set", () => {
    const ofMerchant = cases.filter(
      ({ state, last }) =>
        state.cancelAt != null &&
        (state.scheduleId != null ||
          (state.cancelAt !== PERIOD_END && (last?.change !== "cancel" || last.cancelAt !== state.cancelAt))),
    );
    expect(new Set(ofMerchant.map(({ state, last }) => resume(state, last)))).toEqual(
      new Set(["refused: set_by_merchant"]),
    );
  });
});
