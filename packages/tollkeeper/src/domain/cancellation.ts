/**
 * The reason and the comment that a user may give for a cancellation.
 * @see https://docs.stripe.com/api/subscriptions/cancel#cancel_subscription-cancellation_details
 */

export const CANCELLATION_REASONS = [
  "customer_service",
  "low_quality",
  "missing_features",
  "other",
  "switched_service",
  "too_complex",
  "too_expensive",
  "unused",
] as const;
export type CancellationReason = (typeof CANCELLATION_REASONS)[number];

export interface Cancellation {
  reason?: CancellationReason | undefined;
  comment?: string | undefined;
}
