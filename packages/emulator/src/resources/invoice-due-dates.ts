/**
 * Checks and computes the due dates of invoices.
 * @see https://docs.stripe.com/api/invoices/create#create_invoice-due_date
 */
import { now } from "../core/clock.ts";
import { ApiError, notImplemented } from "../core/errors.ts";
import { integer, refuseBoth } from "../core/params.ts";
import type { Context } from "../core/state.ts";
import type { Invoice } from "../objects/invoice.ts";

const DAY = 86_400;

export const dueParams = { days_until_due: integer.optional(), due_date: integer.optional() };

interface DueParams {
  collection_method?: Invoice["collection_method"] | undefined;
  days_until_due?: number | undefined;
  due_date?: number | undefined;
}

/** Throws if an invoice would be sent without a due date, or would be charged automatically with one. */
export function checkDueDate(context: Context, params: DueParams, current: Invoice | null = null): void {
  refuseBoth(params, "days_until_due", "due_date");
  const given = (["days_until_due", "due_date"] as const).find((name) => params[name] !== undefined);
  const method = params.collection_method ?? current?.collection_method ?? "charge_automatically";
  if (given !== undefined && method !== "send_invoice")
    throw new ApiError(`\`${given}\` can only be set if \`collection_method\` is \`send_invoice\`.`, { param: given });
  if (given !== undefined && current && current.status !== "draft")
    throw new ApiError("Finalized invoices can't be updated in this way", { code: "invoice_not_editable" });
  if (given === undefined && method === "send_invoice" && (current?.due_date ?? null) === null)
    throw new ApiError("If `collection_method` is `send_invoice`, `days_until_due` or `due_date` is needed.", {
      code: "parameter_missing",
      param: "days_until_due",
    });
  if (params.due_date !== undefined && params.due_date <= now(context))
    throw notImplemented("The emulator does not implement a `due_date` in the past.", "due_date");
}

/** Returns the due date of an invoice after an update. An invoice that is charged automatically has none. */
export function dueDateAfter({ collection_method: method, created, due_date: due }: Invoice, params: DueParams) {
  if (method !== "send_invoice") return null;
  if (params.days_until_due !== undefined) return created + params.days_until_due * DAY;
  return params.due_date ?? due;
}
