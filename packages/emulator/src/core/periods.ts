/**
 * Computes billing periods from the billing cycle anchor. A subscription that started on the 31st renews on 28
 * February, then on 31 March.
 */
export type Interval = "day" | "week" | "month" | "year";

const DAY = 86_400;

/** Returns the first time after `after` at which a billing period ends, in epoch seconds. */
export function periodEnd(anchor: number, interval: Interval, count: number, after: number): number {
  if (interval === "day" || interval === "week") {
    const length = (interval === "week" ? 7 : 1) * DAY * count;
    return anchor + (Math.floor((after - anchor) / length) + 1) * length;
  }
  const months = interval === "year" ? 12 * count : count;
  let periods = Math.floor(monthsBetween(anchor, after) / months) - 1;
  let end = addMonths(anchor, periods * months);
  while (end <= after) end = addMonths(anchor, ++periods * months);
  return end;
}

/**
 * Returns the time that is `months` months after `at`, on the same day of the month. If the later month does not have this day,
 * returns the last day of the month.
 */
export function addMonths(at: number, months: number): number {
  const date = new Date(at * 1000);
  const day = date.getUTCDate();
  date.setUTCDate(1);
  date.setUTCMonth(date.getUTCMonth() + months);
  const lastDay = new Date(Date.UTC(date.getUTCFullYear(), date.getUTCMonth() + 1, 0)).getUTCDate();
  date.setUTCDate(Math.min(day, lastDay));
  return Math.floor(date.getTime() / 1000);
}

function monthsBetween(from: number, to: number): number {
  const start = new Date(from * 1000);
  const end = new Date(to * 1000);
  return (end.getUTCFullYear() - start.getUTCFullYear()) * 12 + end.getUTCMonth() - start.getUTCMonth();
}

/** Returns the start of the billing period that contains `at`, in epoch seconds. */
export function periodStart(anchor: number, interval: Interval, count: number, at: number): number {
  if (interval === "day" || interval === "week") {
    const length = (interval === "week" ? 7 : 1) * DAY * count;
    return anchor + Math.floor((at - anchor) / length) * length;
  }
  const months = interval === "year" ? 12 * count : count;
  let periods = Math.floor(monthsBetween(anchor, at) / months) + 1;
  while (addMonths(anchor, periods * months) > at) periods -= 1;
  return addMonths(anchor, periods * months);
}

/** The fields of a price that set the length of billing periods. */
export interface RecurringPrice {
  recurring: { interval: Interval; interval_count: number } | null;
}

export function endOf(price: RecurringPrice, anchor: number, after: number): number {
  const { interval, interval_count } = price.recurring ?? { interval: "month" as const, interval_count: 1 };
  return periodEnd(anchor, interval, interval_count, after);
}

export function startOf(price: RecurringPrice, anchor: number, at: number): number {
  const { interval, interval_count } = price.recurring ?? { interval: "month" as const, interval_count: 1 };
  return periodStart(anchor, interval, interval_count, at);
}
