/** Requests pages of Stripe's lists, for reconcile and for catching up with renewals. */
import Stripe from "stripe";
import * as records from "../records.ts";
import { parseEnvelope, type Envelope } from "../webhook/envelope.ts";
import { findUnstorableField } from "../webhook/storable-envelope.ts";
import { DEFAULT_CARD, EXPANDED, toExpandedCustomer, toRetrieved, toRetrievedCustomer } from "./retrieved.ts";
import { isCursorGone, translateErrors, translateErrorsOrNull } from "./stripe-errors.ts";
import {
  MAX_LISTED,
  PAGE_SIZE,
  type CallContext,
  type CreatedRange,
  type EndpointRecord,
  type ListCalls,
  type Page,
} from "./types.ts";

export function listCalls(stripe: Stripe, { userIdKey }: CallContext): ListCalls {
  const listSubscriptions = async (
    within: Stripe.SubscriptionListParams,
    after: string | null,
    expanded: readonly string[] = EXPANDED,
  ) => {
    const expand = expanded.map((name) => `data.${name}`);
    const list = await stripe.subscriptions.list({ ...pageParams(after), ...within, status: "all", expand });
    return toPage(list, async (subscription) => ({
      ...(await toRetrieved(stripe, subscription)),
      customer: toExpandedCustomer(subscription.customer, userIdKey),
    }));
  };
  return {
    listEventPage: (types, range, after) =>
      translateErrors(async () => {
        const list = await stripe.events.list({ ...pageParams(after), ...createdIn(range), types: [...types] });
        const page = await toPage(list, readEnvelope);
        return { ...page, rows: page.rows.filter((envelope) => envelope !== null) };
      }),

    listCustomerPage: (range, after) =>
      translateErrorsOrNull(async () => {
        const expand = [`data.${DEFAULT_CARD}`];
        const list = await stripe.customers.list({ ...pageParams(after), ...createdIn(range), expand });
        return toPage(list, (customer) => toRetrievedCustomer(customer, userIdKey));
      }, isCursorGone),

    listSubscriptionPage: (range, after) => translateErrors(() => listSubscriptions(createdIn(range), after)),

    listUnendedSubscriptionPage: (range, after) =>
      translateErrorsOrNull(async () => {
        const list = await stripe.subscriptions.list({ ...pageParams(after), ...createdIn(range) });
        return toPage(list, ({ id, status }) => ({ id, status }));
      }, isCursorGone),

    listRenewedPage: (since, after) =>
      translateErrors(() => {
        const current_period_start = { gte: records.toSeconds(since) };
        return listSubscriptions({ current_period_start }, after, [...EXPANDED, "customer"]);
      }),

    listOpenInvoicePage: (range, after) =>
      translateErrors(async () => {
        const list = await stripe.invoices.list({ ...pageParams(after), ...createdIn(range), status: "open" });
        return toPage(list, (invoice) => {
          const { id, customerId } = records.toInvoice(invoice);
          return { id, customerId };
        });
      }),

    listEndpoints: () => translateErrors(() => listEndpoints(stripe)),
  };
}

async function listEndpoints(stripe: Stripe): Promise<EndpointRecord[]> {
  const listed = await stripe.webhookEndpoints.list({ limit: PAGE_SIZE }).autoPagingToArray({ limit: MAX_LISTED });
  return listed.map((endpoint) => ({
    id: endpoint.id,
    url: endpoint.url,
    enabled: endpoint.status === "enabled",
    events: endpoint.enabled_events,
    apiVersion: endpoint.api_version,
  }));
}

/**
 * Returns the envelope of a listed event; null for an event that the service can't use. Throws if a database can't store the
 * envelope unchanged.
 */
function readEnvelope(event: Stripe.Event): Envelope | null {
  const envelope = parseEnvelope(event);
  const field = envelope && findUnstorableField(envelope);
  if (field) throw new Error(`Stripe sent an event whose field ${field} can't be stored`);
  return envelope;
}

export function pageParams(after: string | null) {
  return { limit: PAGE_SIZE, ...(after !== null && { starting_after: after }) };
}

export function createdIn({ from, until }: CreatedRange) {
  return { created: { gte: records.toSeconds(from), lt: Math.ceil(until / 1000) } };
}

export async function toPage<Listed extends { id: string; created: number }, Row>(
  { data, has_more: more }: Stripe.ApiList<Listed>,
  toRow: (listed: Listed) => Row | Promise<Row>,
): Promise<Page<Row>> {
  const [first] = data;
  const last = data.at(-1);
  const unreadable: Page<Row>["unreadable"] = [];
  const read = async (listed: Listed): Promise<Row[]> => {
    try {
      return [await toRow(listed)];
    } catch (error) {
      // An error of Stripe's SDK means that a request for additional data of the listed object failed. If the request for
      // additional data of an object fails, Stripe is unavailable, so the object is not reported as unreadable.
      if (error instanceof Stripe.errors.StripeError) throw error;
      unreadable.push({ id: listed.id, reason: error instanceof Error ? error.message : String(error) });
      return [];
    }
  };
  return {
    rows: (await Promise.all(data.map(read))).flat(),
    unreadable,
    next: more ? (last?.id ?? null) : null,
    newest: first ? records.instant(first.created) : null,
    reached: last ? records.instant(last.created) : null,
  };
}
