/** Checks the parameter `days_until_due` of subscriptions. */
import { ApiError } from "../core/errors.ts";
import type { Subscription } from "../objects/subscription.ts";

interface DueDays {
  collection_method?: Subscription["collection_method"] | undefined;
  days_until_due?: number | undefined;
}

/**
 * Throws if a subscription's invoices would be sent without a due date, or would be charged automatically with one. Stripe
 * needs `days_until_due` for `send_invoice`, and takes it for nothing else.
 */
export function checkDueDays(
  params: DueDays,
  current: Pick<Subscription, "collection_method" | "days_until_due"> | null = null,
): void {
  if (params.collection_method === undefined && params.days_until_due === undefined) return;
  const method = params.collection_method ?? current?.collection_method ?? "charge_automatically";
  const days = params.days_until_due ?? current?.days_until_due ?? null;
  if (method === "send_invoice" && days === null)
    throw new ApiError("If `collection_method` is `send_invoice`, `days_until_due` is needed.", {
      code: "parameter_missing",
      param: "days_until_due",
    });
  if (method === "charge_automatically" && params.days_until_due !== undefined)
    throw new ApiError("`days_until_due` can only be set if `collection_method` is `send_invoice`.", {
      param: "days_until_due",
    });
}
