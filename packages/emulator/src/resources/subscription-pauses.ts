/** Defines the API routes that pause and resume subscriptions. @see https://docs.stripe.com/api/subscriptions/pause */
import { z } from "zod";
import type { Api } from "../api.ts";
import { DEFAULT_BILLING, pauseOnRequest } from "../billing/subscription-pauses.ts";
import { resumeSubscription } from "../billing/subscription-resumptions.ts";
import { ApiError } from "../core/errors.ts";
import { expand, integer } from "../core/params.ts";
import { retrieve } from "../core/rows.ts";
import { anchorChange, prorationParam } from "./shared-params.ts";

const PauseParams = z.strictObject({
  bill_for: z
    .strictObject({
      outstanding_usage_through: z.strictObject({ type: z.enum(["none", "now"]) }).optional(),
      unused_time_from: z.strictObject({ type: z.enum(["item_current_period_start", "none", "now"]) }).optional(),
    })
    .optional(),
  invoicing_behavior: z.enum(["invoice", "pending_invoice_item"]).optional(),
  type: z.enum(["subscription"]).optional(),
  expand,
});
const ResumeParams = z.strictObject({
  billing_cycle_anchor: anchorChange,
  payment_behavior: z.enum(["resume_on_payment_attempt", "resume_on_payment_success"]).optional(),
  proration_behavior: prorationParam,
  proration_date: integer.optional(),
  expand,
});

export function subscriptionPauseRoutes(api: Api): void {
  api.post("/v1/subscriptions/:id/pause", PauseParams, (context, params, id) => {
    const subscription = retrieve(context, "subscription", id);
    pauseOnRequest(context, subscription, {
      unusedTimeFrom: params.bill_for?.unused_time_from?.type ?? DEFAULT_BILLING.unusedTimeFrom,
      usageThrough: params.bill_for?.outstanding_usage_through?.type ?? DEFAULT_BILLING.usageThrough,
      invoicesNow: params.invoicing_behavior === "invoice",
    });
    return subscription;
  });

  api.post("/v1/subscriptions/:id/resume", ResumeParams, (context, params, id) => {
    const subscription = retrieve(context, "subscription", id);
    if (subscription.status !== "paused")
      throw new ApiError("You can only resume a subscription that has a status of `paused`.");
    resumeSubscription(context, subscription, {
      anchor: params.billing_cycle_anchor?.type ?? "now",
      payment: params.payment_behavior ?? "resume_on_payment_attempt",
      proration: params.proration_behavior ?? "create_prorations",
      prorationDate: params.proration_date,
    });
    return subscription;
  });
}
