import { expect, test } from "vitest";
import { compareRecords, describeDrift } from "../../src/domain/drift.ts";
import { invoiceRecord, subscriptionRecord } from "../support/records.ts";

test("equal records in the mirror and at Stripe have no differences", () => {
  expect(compareRecords("subscription", subscriptionRecord(), subscriptionRecord())).toEqual([]);
});

test("each field with a different value is reported as one difference", () => {
  const mirror = subscriptionRecord();
  const stripe = subscriptionRecord({ status: "canceled", endedAt: 5 });
  expect(compareRecords("subscription", mirror, stripe)).toEqual([
    { object: "subscription", id: "sub_1", field: "status", mirror: "active", stripe: "canceled" },
    { object: "subscription", id: "sub_1", field: "endedAt", mirror: null, stripe: 5 },
  ]);
});

test("nested lists of two records are compared by their content", () => {
  const [item] = subscriptionRecord().items;
  const stripe = subscriptionRecord({ items: item ? [{ ...item, quantity: 2 }] : [] });
  expect(compareRecords("subscription", subscriptionRecord(), stripe).map(({ field }) => field)).toEqual(["items"]);
});

test("a record that is missing from the mirror is reported as one difference without a field name", () => {
  expect(compareRecords("invoice", null, invoiceRecord())).toEqual([
    { object: "invoice", id: "in_1", field: null, mirror: null, stripe: null },
  ]);
});

test("the URL and the failure message of an invoice are not compared, because Stripe changes these fields without an event", () => {
  const stripe = invoiceRecord({ hostedInvoiceUrl: null, failureMessage: "Your card has expired." });
  expect(compareRecords("invoice", invoiceRecord(), stripe)).toEqual([]);
});

test.each([
  [{ field: null, mirror: null, stripe: null, repairedBy: null }, "invoice in_1 is missing in the mirror"],
  [
    { field: "status", mirror: "open", stripe: "paid", repairedBy: null },
    'invoice in_1: status is "open" in the mirror and "paid" in Stripe',
  ],
  [
    { field: "total", mirror: undefined, stripe: 900, repairedBy: null },
    "invoice in_1: total is undefined in the mirror and 900 in Stripe",
  ],
  [
    { field: "total", mirror: 900, stripe: undefined, repairedBy: null },
    "invoice in_1: total is 900 in the mirror and undefined in Stripe",
  ],
  [
    { field: "card", mirror: undefined, stripe: undefined, repairedBy: "list" as const },
    "invoice in_1: card differs, repaired by a list",
  ],
])("the difference %j between mirror and Stripe is described as: %s", (drift, text) => {
  expect(describeDrift({ object: "invoice", id: "in_1", ...drift })).toBe(text);
});
