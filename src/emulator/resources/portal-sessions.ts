/** Customer portal sessions. @see https://docs.stripe.com/api/customer_portal/sessions */
import { z } from "zod";
import type { Api } from "../api.ts";
import { emit } from "../core/events.ts";
import { expand, text, url } from "../core/params.ts";
import { newId, type World } from "../core/world.ts";
import { needCustomer } from "./customers.ts";

export type PortalSession = ReturnType<typeof newPortalSession>;

const CreateParams = z.strictObject({ customer: text, return_url: url.optional(), expand });

function newPortalSession(world: World, params: z.output<typeof CreateParams>) {
  const id = newId(world, "bps");
  return {
    id,
    object: "billing_portal.session" as const,
    configuration: "bpc_default",
    created: world.state.now,
    customer: params.customer,
    flow: null,
    livemode: false as const,
    locale: null,
    on_behalf_of: null,
    return_url: params.return_url ?? null,
    url: `${world.baseUrl}/p/session/${id}`,
  };
}

export function portalSessionRoutes(api: Api): void {
  api.post("/v1/billing_portal/sessions", CreateParams, (world, params) => {
    needCustomer(world, params.customer, "customer");
    const session = newPortalSession(world, params);
    world.state.tables["billing_portal.session"].set(session.id, session);
    emit(world, "billing_portal.session.created", session);
    return session;
  });
}
