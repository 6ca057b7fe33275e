/** Renders a value as JSON, in which the IDs of objects and the URLs of the emulator's own pages are links. */
import { html } from "hono/html";
import type { Markup } from "../layout.ts";
import { withoutSecrets } from "./secrets.ts";

/** Matches a text in JSON. The name of a field is matched with its colon. */
const TEXT = /("(?:[^"\\]|\\.)*":?)/;

/** Renders a value as JSON. `pathOf` returns the URL to which a text links; null if the text is no link. */
export function jsonView(value: unknown, id: string, pathOf: (text: string) => string | null): Markup {
  const parts = JSON.stringify(value, withoutSecrets, 2).split(TEXT);
  return html`<pre tabindex="0" id="${id}">
${parts.map((part, at) => (at % 2 === 0 ? part : linkOf(part, pathOf)))}</pre>`;
}

function linkOf(part: string, pathOf: (text: string) => string | null): string | Markup {
  if (part.endsWith(":")) return part;
  const path = pathOf(JSON.parse(part) as string);
  return path === null ? part : html`<a href="${path}">${part}</a>`;
}
