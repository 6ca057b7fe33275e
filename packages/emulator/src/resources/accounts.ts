/** The account of the key that asks. @see https://docs.stripe.com/api/accounts */
import { z } from "zod";
import type { Api } from "../api.ts";
import { missing } from "../core/errors.ts";
import { expand } from "../core/params.ts";
import type { World } from "../core/world.ts";

const Nothing = z.strictObject({ expand });

export function accountRoutes(api: Api): void {
  api.get("/v1/account", Nothing, (world) => accountIn(world));
  api.get("/v1/accounts/:id", Nothing, (world, _params, id) => {
    if (id !== idOf(world)) throw missing("account", id, "id");
    return accountIn(world);
  });
}

function idOf({ account }: World): string {
  return `acct_${account.id}`;
}

function accountIn(world: World) {
  return {
    id: idOf(world),
    object: "account",
    business_type: null,
    charges_enabled: true,
    country: "US",
    default_currency: "usd",
    details_submitted: true,
    email: null,
    payouts_enabled: true,
    type: "standard",
  };
}
