/** Renders a table of the viewer, with a title, and with the newest rows first. */
import { html } from "hono/html";
import type { Markup } from "../layout.ts";

type Cell = string | Markup;

export interface Section {
  title: string;
  testid: string;
  /** The ID of the element, by which the viewer's script finds it again. Default: the test ID. */
  id?: string;
  heads: readonly string[];
  /** Functions that each return the cells of a row, oldest row first. Only the rows that the table shows are rendered. */
  rows: readonly (() => readonly Cell[])[];
  /** The text that the section shows if there is no row: how to get one. */
  empty: Cell;
  /** A text between the title and the table. */
  intro?: string | undefined;
  /** More content, below the table. */
  more?: Markup | undefined;
}

/** The maximum number of rows that a table of the viewer shows. */
const MAX_ROWS = 60;

export function section({ title, testid, id = testid, heads, rows, empty, intro, more }: Section): Markup {
  return html`<section class="card" data-testid="${testid}" id="${id}">
    <h2>${title}${countText(rows.length)}</h2>
    ${intro === undefined ? "" : html`<p class="soft" data-testid="intro">${intro}</p>`}
    ${
      rows.length === 0
        ? html`<p class="soft" data-testid="empty">${empty}</p>`
        : html`<div class="scroll" tabindex="0" role="region" aria-label="${title}" id="${id}-table">
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
                        ${row().map((cell) => html`<td>${cell}</td>`)}
                      </tr>`,
                  )}
              </tbody>
            </table>
          </div>`
    }
    ${more ?? ""}
  </section>`;
}

function countText(count: number): string {
  if (count === 0) return "";
  return count > MAX_ROWS ? `: the newest ${MAX_ROWS} of ${count}` : `: ${count}`;
}
