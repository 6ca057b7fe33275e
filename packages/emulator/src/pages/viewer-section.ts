/** Renders a table of the viewer, with a title, and with the newest rows first. */
import { html } from "hono/html";
import type { Markup } from "./layout.ts";

type Cell = string | Markup;

export interface Section {
  title: string;
  testid: string;
  heads: readonly string[];
  /** All rows of the table, oldest first. */
  rows: readonly (readonly Cell[])[];
}

/** The maximum number of rows that a table of the viewer shows. */
const MAX_ROWS = 60;

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
                  .slice(-MAX_ROWS)
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
  return count > MAX_ROWS ? `: the newest ${MAX_ROWS} of ${count}` : `: ${count}`;
}
