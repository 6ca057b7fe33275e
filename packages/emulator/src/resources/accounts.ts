/** Defines the API routes that return the account of the API key. @see https://docs.stripe.com/api/accounts */
import { z } from "zod";
import type { Api } from "../api.ts";
import { resourceMissing } from "../core/errors.ts";
import { expand } from "../core/params.ts";
import { type Context, publicIdOf } from "../core/state.ts";

const NoParams = z.strictObject({ expand });

export function accountRoutes(api: Api): void {
  api.get("/v1/account", NoParams, (context) => accountIn(context));
  api.get("/v1/accounts/:id", NoParams, (context, _params, id) => {
    if (id !== publicIdOf(context.account)) throw resourceMissing("account", id, "id");
    return accountIn(context);
  });
}

const BUSINESS_PROFILE = {
  annual_revenue: null,
  estimated_worker_count: null,
  mcc: null,
  minority_owned_business_designation: null,
  product_description: null,
  specified_commercial_transactions_act_url: null,
  support_address: null,
  support_email: null,
  support_phone: null,
  support_url: null,
  url: null,
};

function accountIn(context: Context) {
  return {
    id: publicIdOf(context.account),
    object: "account",
    business_profile: { ...BUSINESS_PROFILE, name: context.state.sellerName },
    business_type: null,
    charges_enabled: true,
    country: context.state.tax.country,
    default_currency: "usd",
    details_submitted: true,
    email: null,
    payouts_enabled: true,
    type: "standard",
  };
}
