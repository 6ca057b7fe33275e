/**
 * Handles invoices with automatic tax whose customer has no recognized location.
 * @see https://docs.stripe.com/tax/customer-locations#invoice-finalization-errors
 */
import { emit, emitChange } from "../core/events.ts";
import { find } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import type { Invoice } from "../objects/invoice.ts";
import { recomputeTotals, subscriptionOf } from "./invoices.ts";
import { editSubscription } from "./subscription-changes.ts";
import { locationInvalid } from "./tax-locations.ts";

/**
 * Turns automatic tax off for an invoice of a subscription, for the subscription, and for its schedule, because the invoice is
 * finalized without taxes. Returns false for an invoice without a subscription: it stays a draft, and an event reports the
 * error.
 */
export function continueWithoutTax(context: Context, invoice: Invoice): boolean {
  const subscription = subscriptionOf(context, invoice);
  if (!subscription) {
    reportFailure(context, invoice);
    return false;
  }
  Object.assign(invoice.automatic_tax, {
    disabled_reason: "finalization_requires_location_inputs",
    enabled: false,
  });
  recomputeTotals(context, invoice);
  const off = { disabled_reason: "requires_location_inputs" as const, enabled: false };
  editSubscription(context, subscription, (row) => void Object.assign(row.automatic_tax, off));
  const schedule = find(context, "subscription_schedule", subscription.schedule);
  if (!schedule) return true;
  emitChange(context, "subscription_schedule.updated", schedule, (row) => {
    Object.assign(row.default_settings.automatic_tax, off);
    const current = row.phases.find(({ start_date: start }) => start === row.current_phase?.start_date);
    if (current?.automatic_tax) Object.assign(current.automatic_tax, off);
  });
  return true;
}

/** Keeps a draft invoice that can't be finalized, and emits `invoice.finalization_failed`. */
function reportFailure(context: Context, invoice: Invoice): void {
  const { message, type, fields } = locationInvalid();
  invoice.last_finalization_error = { code: fields.code ?? "", message, type };
  emit(context, "invoice.finalization_failed", invoice);
}
