/** Describes a subscription as a text with all fields that the mirror stores, so that Stripe and the mirror can be compared. */
import type { StripeSubscription } from "./audit-types.ts";

export interface MirrorSubscription {
  id: string;
  customerId: string;
  status: string;
  cancelAtPeriodEnd: boolean;
  cancelAt: number | null;
  endedAt: number | null;
  trialEnd: number | null;
  pauseBehavior: string | null;
  items: readonly { id: string; priceId: string; quantity: number; currentPeriodEnd: number }[];
}

export function stateAtStripe(row: StripeSubscription): string {
  const items = row.items.data
    .map((item) => `${item.id}=${item.price.id}x${item.quantity ?? 1}>${item.current_period_end}`)
    .toSorted();
  return [
    row.status,
    row.cancel_at_period_end,
    row.cancel_at,
    row.ended_at,
    row.trial_end,
    row.pause_collection?.behavior ?? null,
    ...items,
  ].join(" ");
}

export function stateInMirror(record: MirrorSubscription): string {
  const seconds = (at: number | null): number | null => (at === null ? null : at / 1_000);
  const items = record.items
    .map((item) => `${item.id}=${item.priceId}x${item.quantity}>${item.currentPeriodEnd / 1_000}`)
    .toSorted();
  const { status, cancelAtPeriodEnd, cancelAt, endedAt, trialEnd, pauseBehavior } = record;
  return [
    status,
    cancelAtPeriodEnd,
    seconds(cancelAt),
    seconds(endedAt),
    seconds(trialEnd),
    pauseBehavior,
    ...items,
  ].join(" ");
}
