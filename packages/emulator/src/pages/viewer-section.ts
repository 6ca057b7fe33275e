/** A titled table of the viewer, newest rows first. */
import { html } from "hono/html";
import type { Markup } from "./layout.ts";

type Cell = string | Markup;

export interface Section {
  title: string;
  testid: string;
  heads: readonly string[];
  /** Oldest first. */
  rows: readonly (readonly Cell[])[];
}

/** As many rows as a person looks through. */
const SHOWN = 60;

export function section({ title, testid, heads, rows }: Section): Markup {
  return html`<section class="card" data-testid="${testid}">
    <h2>${title}${countText(rows.length)}</h2>
    ${
      rows.length === 0
        ? html`<p class="soft">None.</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="${title}">
            <table>
              <thead>
                <tr>
                  ${heads.map((head) => html`<th scope="col">${head}</th>`)}
                </tr>
              </thead>
              <tbody>
                ${rows
                  .slice(-SHOWN)
                  .toReversed()
                  .map(
                    (row) =>
                      html`<tr>
                        ${row.map((cell) => html`<td>${cell}</td>`)}
                      </tr>`,
                  )}
              </tbody>
            </table>
          </div>`
    }
  </section>`;
}

function countText(count: number): string {
  if (count === 0) return "";
  return count > SHOWN ? `: the newest ${SHOWN} of ${count}` : `: ${count}`;
}
