/** Defines the API route that lists subscriptions. @see https://docs.stripe.com/api/subscriptions/list */
import { z } from "zod";
import type { Api } from "../api.ts";
import { isEnded } from "../billing/subscription-periods.ts";
import { hasFields, inRange, paginate } from "../core/pagination.ts";
import { flag, listParams, text, timeRange } from "../core/params.ts";
import { listAll, listBy } from "../core/rows.ts";
import { STATUSES, type Subscription } from "../objects/subscription.ts";
import { collectionMethod } from "./shared-params.ts";

const ListParams = z.strictObject({
  ...listParams,
  automatic_tax: z.strictObject({ enabled: flag }).optional(),
  customer: text.optional(),
  plan: text.optional(),
  price: text.optional(),
  status: z.enum([...STATUSES, "all", "ended"]).optional(),
  collection_method: collectionMethod,
  current_period_start: timeRange.optional(),
  current_period_end: timeRange.optional(),
  test_clock: text.optional(),
});
export function listRoute(api: Api): void {
  api.get("/v1/subscriptions", ListParams, (context, params) => {
    const candidates =
      params.customer === undefined
        ? listAll(context, "subscription")
        : listBy(context, "subscription", { customer: params.customer });
    // Without a customer or a test clock, the list contains no subscriptions of test clocks.
    const clock = params.test_clock ?? (params.customer === undefined ? null : undefined);
    const isAsked = (row: Subscription): boolean =>
      hasFields(row, { collection_method: params.collection_method, test_clock: clock }) &&
      hasPrice(row, params.price) &&
      hasPrice(row, params.plan) &&
      hasFields(row.automatic_tax, { enabled: params.automatic_tax?.enabled }) &&
      inRange(latestPeriodStart(row), params.current_period_start) &&
      inRange(earliestPeriodEnd(row), params.current_period_end) &&
      matchesStatus(row, params.status);
    return paginate(context, candidates, params, { url: "/v1/subscriptions", filter: isAsked });
  });
}

/**
 * Returns the latest `current_period_start` among the items of a subscription. The list filter `current_period_start` uses the
 * latest period start among the items of a subscription.
 */
function latestPeriodStart({ items }: Subscription): number {
  return Math.max(...items.data.map((item) => item.current_period_start));
}

function earliestPeriodEnd({ items }: Subscription): number {
  return Math.min(...items.data.map((item) => item.current_period_end));
}

/**
 * Returns whether a subscription matches a status filter. A canceled subscription matches only if the filter includes
 * the status "canceled".
 */
function matchesStatus(subscription: Subscription, status: string | undefined): boolean {
  if (status === "all") return true;
  if (status === undefined) return subscription.status !== "canceled" && subscription.status !== "incomplete_expired";
  if (status === "ended") return isEnded(subscription);
  return subscription.status === status;
}

/** Returns whether a subscription has an item with the given price, or with the plan of this ID. */
function hasPrice({ items }: Subscription, id: string | undefined): boolean {
  return id === undefined || items.data.some(({ price }) => price.id === id);
}
