/** Defines the API routes of portal configurations and sessions. @see https://docs.stripe.com/api/customer_portal */
import { z } from "zod";
import type { Api } from "../api.ts";
import { retrieveCustomer } from "../billing/customers.ts";
import { now } from "../core/clock.ts";
import { emit, emitChange } from "../core/events.ts";
import { paginate } from "../core/pagination.ts";
import {
  expand,
  flag,
  integer,
  listParams,
  mergeMetadata,
  metadata,
  nonNegative,
  text,
  unsettable,
  url,
} from "../core/params.ts";
import { find, insert, listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { setEntry } from "../core/transaction.ts";
import { mergeFeatures, newPortalConfiguration, type PortalConfiguration } from "../objects/portal-configuration.ts";
import { newPortalSession, type PortalSession } from "../objects/portal-session.ts";
import { checkFeatures } from "./portal-features.ts";
import { checkFlow, flow } from "./portal-flows.ts";
import { intervalParam } from "./shared-params.ts";

const proration = z.enum(["always_invoice", "create_prorations", "none"]);
const portalProduct = z.strictObject({
  product: text,
  prices: z.array(text),
  adjustable_quantity: z
    .strictObject({ enabled: flag, maximum: nonNegative.optional(), minimum: nonNegative.optional() })
    .optional(),
});
export const features = z.strictObject({
  customer_update: z
    .strictObject({ enabled: flag.optional(), allowed_updates: unsettable(z.array(text)).optional() })
    .optional(),
  invoice_history: z.strictObject({ enabled: flag }).optional(),
  payment_method_update: z.strictObject({ enabled: flag }).optional(),
  subscription_cancel: z
    .strictObject({
      enabled: flag.optional(),
      mode: z.enum(["at_period_end", "immediately"]).optional(),
      proration_behavior: proration.optional(),
      cancellation_reason: z.strictObject({ enabled: flag, options: unsettable(z.array(text)).optional() }).optional(),
    })
    .optional(),
  subscription_pause: z
    .strictObject({
      enabled: flag.optional(),
      duration: z
        .strictObject({
          type: z.enum(["indefinite", "interval_options"]),
          interval_options: unsettable(
            z.array(z.strictObject({ interval: intervalParam, interval_count: integer })),
          ).optional(),
        })
        .optional(),
    })
    .optional(),
  subscription_update: z
    .strictObject({
      enabled: flag.optional(),
      default_allowed_updates: unsettable(z.array(z.enum(["price", "quantity", "promotion_code"]))).optional(),
      products: unsettable(z.array(portalProduct).max(10)).optional(),
      proration_behavior: proration.optional(),
      billing_cycle_anchor: z.enum(["now", "unchanged"]).optional(),
      schedule_at_period_end: z
        .strictObject({
          conditions: z
            .array(z.strictObject({ type: z.enum(["decreasing_item_amount", "shortening_interval"]) }))
            .optional(),
        })
        .optional(),
      trial_update_behavior: z.enum(["continue_trial", "end_trial"]).optional(),
    })
    .optional(),
});
const profile = z
  .strictObject({
    headline: unsettable(text).optional(),
    privacy_policy_url: text.optional(),
    terms_of_service_url: text.optional(),
  })
  .optional();
const fields = {
  business_profile: profile,
  default_return_url: unsettable(text).optional(),
  features: features.optional(),
  name: unsettable(text).optional(),
  metadata: metadata.optional(),
  expand,
};
export const CreateParams = z.strictObject({ ...fields, features });
const UpdateParams = z.strictObject({ ...fields, active: flag.optional() });
const ListParams = z.strictObject({ ...listParams, active: flag.optional(), is_default: flag.optional() });
export const SessionParams = z.strictObject({
  customer: text,
  configuration: text.optional(),
  return_url: url.optional(),
  flow_data: flow.optional(),
  locale: text.optional(),
  expand,
});
const NoParams = z.strictObject({ expand });

/** Returns the account's default portal configuration. Creates the configuration on first use. */
export function defaultConfiguration(context: Context): PortalConfiguration {
  return (
    listAll(context, "billing_portal.configuration", (row) => row.is_default)[0] ??
    insert(context, "billing_portal.configuration", newPortalConfiguration(context, {}, true))
  );
}

export function configurationOf(context: Context, session: PortalSession): PortalConfiguration {
  return find(context, "billing_portal.configuration", session.configuration) ?? defaultConfiguration(context);
}

export function portalSessionRoutes(api: Api): void {
  api.post("/v1/billing_portal/sessions", SessionParams, (context, params) => {
    retrieveCustomer(context, params.customer, "customer");
    const configuration =
      params.configuration === undefined
        ? defaultConfiguration(context)
        : retrieve(context, "billing_portal.configuration", params.configuration, "configuration");
    if (params.flow_data) checkFlow(context, params.customer, params.flow_data, configuration);
    const session = insert(context, "billing_portal.session", newPortalSession(context, params, configuration.id));
    setEntry(context, context.account.portalUses, session.id, { at: context.state.now, opened: false });
    emit(context, "billing_portal.session.created", session);
    return session;
  });

  api.post("/v1/billing_portal/configurations", CreateParams, (context, params) => {
    const made = newPortalConfiguration(context, params, false);
    checkFeatures(context, made.features);
    const configuration = insert(context, "billing_portal.configuration", made);
    emit(context, "billing_portal.configuration.created", configuration);
    return configuration;
  });
  api.get("/v1/billing_portal/configurations", ListParams, (context, params) => {
    return paginate(context, listAll(context, "billing_portal.configuration"), params, {
      url: "/v1/billing_portal/configurations",
      filter: (row) =>
        (params.active === undefined || row.active === params.active) &&
        (params.is_default === undefined || row.is_default === params.is_default),
    });
  });
  api.get("/v1/billing_portal/configurations/:id", NoParams, (context, _params, id) =>
    retrieve(context, "billing_portal.configuration", id),
  );
  api.post("/v1/billing_portal/configurations/:id", UpdateParams, (context, params, id) => {
    const configuration = retrieve(context, "billing_portal.configuration", id);
    emitChange(context, "billing_portal.configuration.updated", configuration, (row) => {
      if (params.active !== undefined) row.active = params.active;
      if (params.name !== undefined) row.name = params.name;
      if (params.default_return_url !== undefined) row.default_return_url = params.default_return_url;
      if (params.features) row.features = mergeFeatures(row.features, params.features, row.is_default);
      Object.assign(row.business_profile, params.business_profile);
      checkFeatures(context, row.features);
      row.metadata = mergeMetadata(row.metadata, params.metadata);
      row.updated = now(context);
    });
    return configuration;
  });
}
