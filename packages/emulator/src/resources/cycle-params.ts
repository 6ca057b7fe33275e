/**
 * Defines the parameters of a new subscription that set its billing cycle and its trial.
 * @see https://docs.stripe.com/billing/subscriptions/billing-cycle
 */
import { z } from "zod";
import { checkAnchor } from "../billing/first-period.ts";
import { now } from "../core/clock.ts";
import { ApiError, notImplemented } from "../core/errors.ts";
import { flag, integer, refuseBoth } from "../core/params.ts";
import { addMonths } from "../core/periods.ts";
import type { Context } from "../core/state.ts";
import type { AnchorConfig } from "../objects/subscription.ts";
import type { Price } from "../objects/price.ts";

const DAY = 86_400;

const upTo = (minimum: number, maximum: number) => integer.pipe(z.number().min(minimum).max(maximum));

export const cycleParams = {
  billing_cycle_anchor: integer.optional(),
  billing_cycle_anchor_config: z
    .strictObject({
      day_of_month: upTo(1, 31),
      hour: upTo(0, 23).optional(),
      minute: upTo(0, 59).optional(),
      month: upTo(1, 12).optional(),
      second: upTo(0, 59).optional(),
    })
    .optional(),
  backdate_start_date: integer.optional(),
  trial_from_plan: flag.optional(),
  trial_period_days: integer.pipe(z.number().min(1).max(730)).optional(),
};

type CycleParams = z.output<z.ZodObject<typeof cycleParams>> & { trial_end?: number | "now" | undefined };

/** Returns the end of the trial of a new subscription; null if it has no trial. */
export function trialEndOf(context: Context, params: CycleParams, prices: readonly Price[]): number | null {
  const { trial_end: end, trial_period_days: days } = params;
  refuseBoth(params, "trial_end", "trial_period_days");
  if (params.trial_from_plan) refuseBoth(params, "trial_from_plan", "trial_end");
  if (days !== undefined) return now(context) + days * DAY;
  if (params.trial_from_plan) return trialOfPrices(context, prices);
  if (end === undefined || end === "now") return null;
  if (end <= now(context))
    throw new ApiError("Invalid timestamp: `trial_end` must be in the future.", { param: "trial_end" });
  return end;
}

function trialOfPrices(context: Context, prices: readonly Price[]): number | null {
  const [days = 0, ...others] = new Set(prices.map(({ recurring }) => recurring?.trial_period_days ?? 0));
  if (others.length > 0)
    throw notImplemented(
      "The emulator does not implement `trial_from_plan` for prices with different trial periods.",
      "trial_from_plan",
    );
  return days === 0 ? null : now(context) + days * DAY;
}

/** Returns the start of a backdated subscription; undefined if it starts now. */
export function startDateOf(context: Context, params: CycleParams, trial: number | null): number | undefined {
  const { backdate_start_date: start } = params;
  const param = "backdate_start_date";
  if (start === undefined) return undefined;
  if (start >= now(context)) throw new ApiError("`backdate_start_date` must be in the past.", { param });
  if (trial !== null)
    throw notImplemented("The emulator does not implement `backdate_start_date` together with a trial.", param);
  return start;
}

/** The billing cycle anchor of a new subscription. */
interface ChosenAnchor {
  anchor: number | null;
  anchorConfig: AnchorConfig | null;
}

/** Returns the billing cycle anchor that a request sets. Throws if the anchor is not within the first natural period. */
export function anchorOf(
  context: Context,
  params: CycleParams,
  { prices, trial }: { prices: readonly Price[]; trial: number | null },
): ChosenAnchor {
  const { billing_cycle_anchor: given, billing_cycle_anchor_config: config } = params;
  if (given === undefined && !config) return { anchor: null, anchorConfig: null };
  refuseBoth(params, "billing_cycle_anchor", "billing_cycle_anchor_config");
  const param = config ? "billing_cycle_anchor_config" : "billing_cycle_anchor";
  if (trial !== null)
    throw notImplemented(`The emulator does not implement \`${param}\` together with a trial.`, param);
  if (!config) {
    checkAnchor(context, given ?? 0, prices, param);
    return { anchor: given ?? null, anchorConfig: null };
  }
  const { hour = null, minute = null, month = null, second = null } = config;
  const anchorConfig = { day_of_month: config.day_of_month, hour, minute, month, second };
  checkIntervals(anchorConfig, prices);
  return { anchor: nextOccurrence(now(context), anchorConfig), anchorConfig };
}

function checkIntervals({ month }: AnchorConfig, prices: readonly Price[]): void {
  const param = "billing_cycle_anchor_config";
  const intervals = new Set(prices.map(({ recurring }) => recurring?.interval));
  if (intervals.has("day") || intervals.has("week"))
    throw new ApiError("`billing_cycle_anchor_config` is only valid with monthly and yearly price intervals.", {
      param,
    });
  if (month !== null && intervals.has("month"))
    throw notImplemented("The emulator implements `month` only for yearly prices.", `${param}[month]`);
}

/**
 * Returns the first time after `at` with the given day, month and time in UTC. The time of the day is that of `at` if the settings
 * have none.
 */
function nextOccurrence(at: number, config: AnchorConfig): number {
  const start = new Date(at * 1_000);
  const { day_of_month: day, hour, minute, month, second } = config;
  const first = Date.UTC(start.getUTCFullYear(), month === null ? start.getUTCMonth() : month - 1, 1) / 1_000;
  for (let step = 0; ; step += month === null ? 1 : 12) {
    const found = new Date(addMonths(first, step) * 1_000);
    const wanted = found.getUTCMonth();
    found.setUTCDate(day);
    found.setUTCHours(hour ?? start.getUTCHours(), minute ?? start.getUTCMinutes(), second ?? start.getUTCSeconds());
    if (found.getTime() / 1_000 <= at) continue;
    if (found.getUTCMonth() === wanted) return found.getTime() / 1_000;
    throw notImplemented(
      `The emulator does not implement the day ${day} of a month that is shorter.`,
      "billing_cycle_anchor_config[day_of_month]",
    );
  }
}
