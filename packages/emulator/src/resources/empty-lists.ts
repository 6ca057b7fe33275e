/**
 * Defines the API routes of objects that cannot exist in the emulator, such as payouts. Their lists are empty, so that a program
 * that reads all lists of an account can run. Retrieving such an object fails as for every missing object.
 */
import { z } from "zod";
import type { Api } from "../api.ts";
import { resourceMissing } from "../core/errors.ts";
import { paginate } from "../core/pagination.ts";
import { expand, listParams } from "../core/params.ts";
import { paramNamesOf } from "../core/shapes.ts";

/**
 * Maps the path of each empty list to the object type of its entries. The list contains only features that every Stripe account
 * has, whose objects nothing in the emulator creates, and of which Stripe creates none by itself. For example, Stripe refuses
 * `issuing/cards` until an account has Issuing, and Stripe itself creates the first entries of `radar/value_lists`.
 */
const EMPTY_LISTS: Readonly<Record<string, string>> = {
  "/v1/application_fees": "application_fee",
  "/v1/billing/alerts": "billing.alert",
  "/v1/billing/credit_balance_transactions": "billing.credit_balance_transaction",
  "/v1/billing/credit_grants": "billing.credit_grant",
  "/v1/file_links": "file_link",
  "/v1/files": "file",
  "/v1/invoice_rendering_templates": "invoice_rendering_template",
  "/v1/payment_links": "payment_link",
  "/v1/payment_method_domains": "payment_method_domain",
  "/v1/payouts": "payout",
  "/v1/quotes": "quote",
  "/v1/radar/early_fraud_warnings": "radar.early_fraud_warning",
  "/v1/reporting/report_runs": "reporting.report_run",
  "/v1/reviews": "review",
  "/v1/shipping_rates": "shipping_rate",
  "/v1/topups": "topup",
  "/v1/transfers": "transfer",
};

export const EMPTY_LIST_PATHS: readonly string[] = Object.keys(EMPTY_LISTS);

export function emptyListRoutes(api: Api): void {
  for (const [path, object] of Object.entries(EMPTY_LISTS)) {
    // Every filter of an empty list has the same result, so the schema accepts all filters that Stripe has.
    const filters = Object.fromEntries(paramNamesOf("GET", path).map((name) => [name, z.unknown().optional()]));
    api.get(path, z.strictObject({ ...filters, ...listParams }), (context, params) =>
      paginate(context, [], params, { url: path }),
    );
    api.get(`${path}/:id`, z.strictObject({ expand }), (_context, _params, id) => {
      throw resourceMissing(object, id, "id");
    });
  }
}
