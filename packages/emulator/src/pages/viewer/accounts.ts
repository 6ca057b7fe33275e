/** Finds accounts and objects for the viewer's pages, and links to objects. */
import { html } from "hono/html";
import { findById } from "../../core/rows.ts";
import { type Context, isConnected, publicIdOf } from "../../core/state.ts";
import type { Engine } from "../../engine.ts";
import type { Markup } from "../layout.ts";

/** An account with its number in the viewer's URLs. The account's ID is the end of an API key, so URLs must not contain it. */
export interface AccountView {
  /** A context that only reads. */
  context: Context;
  number: number;
}

export function accountViews(engine: Engine): AccountView[] {
  engine.catchUp();
  return engine.contexts().map((context, at) => ({ context: { ...context, writable: null }, number: at + 1 }));
}

export function accountPath({ number }: AccountView): string {
  return `/_viewer/accounts/${number}`;
}

export function objectPath(view: AccountView, id: string): string {
  return `${accountPath(view)}/objects/${encodeURIComponent(id)}`;
}

export function objectLink(view: AccountView, id: string, text: string = id): Markup {
  return html`<a href="${objectPath(view, id)}"><code>${text}</code></a>`;
}

export function listPath(view: AccountView, type: string): string {
  return `${accountPath(view)}/lists/${type}`;
}

/** Returns a function that returns the URL of the page of an object with a given ID; null if no account has the object. */
export function pathFinder(views: readonly AccountView[]): (id: string) => string | null {
  return (id) => {
    const view = views.find(({ context }) => findById(context, id) !== undefined);
    return view ? objectPath(view, id) : null;
  };
}

/** Returns whether any text inside a value passes the test. */
export function hasText(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === "string") return test(value);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((inner) => hasText(inner, test));
  for (const name in value) if (hasText((value as Record<string, unknown>)[name], test)) return true;
  return false;
}

/**
 * Returns the text that the viewer shows for an account: its API key, and the ID of a connected account. A long key is shortened,
 * because it may be a real key.
 */
export function keyText({ context: { account } }: AccountView): string {
  const [key = ""] = account.id.split("/");
  const shown = `sk_test_${key.length > 16 ? `${key.slice(0, 4)}…${key.slice(-4)}` : key}`;
  return isConnected(account) ? `${shown}, connected account ${publicIdOf(account)}` : shown;
}
