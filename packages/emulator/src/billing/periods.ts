/** When a period ends, as Stripe computes it: counted from the anchor, so that the 31st comes back after February. */

export type Interval = "day" | "week" | "month" | "year";

const DAY = 86_400;

/** The first end of a period after `after`, both in whole seconds. */
export function periodEnd(anchor: number, interval: Interval, count: number, after: number): number {
  if (interval === "day" || interval === "week") {
    const length = (interval === "week" ? 7 : 1) * DAY * count;
    return anchor + (Math.floor((after - anchor) / length) + 1) * length;
  }
  const months = interval === "year" ? 12 * count : count;
  let periods = Math.max(0, Math.floor(monthsBetween(anchor, after) / months) - 1);
  let end = addMonths(anchor, periods * months);
  while (end <= after) end = addMonths(anchor, ++periods * months);
  return end;
}

/** Same day and time of a later month, or the month's last day where it has no such day. */
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

/** The start of the period that `at` lies in, counted from the anchor. */
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
