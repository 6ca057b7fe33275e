/** Renders lists of objects. */
import { html } from "hono/html";
import { formatAmount } from "../../core/money.ts";
import { momentText } from "../format.ts";
import type { Markup } from "../layout.ts";
import { type AccountView, objectLink } from "./accounts.ts";
import { section } from "./section.ts";

export interface RowsTable {
  title: string;
  rows: readonly object[];
  testid: string;
  /** The ID of the element. Default: the test ID. */
  id?: string;
  empty: string;
}

export function rowsTable(view: AccountView, { rows, ...table }: RowsTable): Markup {
  return section({
    ...table,
    heads: ["Type", "Id", "Created", "Description"],
    rows: rows.map((row) => () => {
      const { id, object, created } = row as { id: string; object: string; created?: number };
      const moment = created === undefined ? "" : html`<span class="nowrap">${momentText(created)}</span>`;
      return [typeText(object), objectLink(view, id), moment, labelOf(row)];
    }),
  });
}

/** Returns the text for a type of objects: "checkout.session" becomes "checkout session". */
export function typeText(type: string): string {
  return type.replaceAll(/[_.]/g, " ");
}

/** The fields that describe an object in a list, in this order. */
const LABELS = ["name", "email", "number", "nickname", "code", "description", "type", "url", "status"] as const;

/** Describes an object in a few words, for example "ada@example.com" or "$9.00, paid". */
export function labelOf(row: object): string {
  const fields = row as Record<string, unknown>;
  const amount = fields["amount"] ?? fields["unit_amount"] ?? fields["total"];
  const { currency } = row as { currency?: unknown };
  const money = typeof amount === "number" && typeof currency === "string" ? formatAmount(amount, currency) : "";
  const texts = LABELS.map((name) => fields[name]).filter((value) => typeof value === "string");
  return [money, ...texts].filter((text) => text !== "").join(", ");
}
