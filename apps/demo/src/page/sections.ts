/** Parts of the page that load data, show errors where they happen, and recover. */
import { h } from "../../../../packages/tollkeeper/src/elements/dom.ts";

export interface Section {
  /** Loads the data and shows it. Never throws: shows the error with a button that tries again. */
  load(): Promise<void>;
  /** Returns true if the newest load failed. */
  hasFailed(): boolean;
}

export interface SectionOptions<Data> {
  load: () => Promise<Data>;
  show: (data: Data) => void;
  /** The sentence that begins the error of a failed load. */
  failed: string;
  /** Returns the elements that show the error of a failed load. */
  places: () => HTMLElement[];
}

/** Creates a section. Only the newest load counts, so that a slow response never replaces newer data. */
export function createSection<Data>({ load, show, failed, places }: SectionOptions<Data>): Section {
  let newest = 0;
  let shown: HTMLElement[] = [];
  const section: Section = {
    async load() {
      const own = ++newest;
      try {
        const data = await load();
        if (own !== newest) return;
        for (const place of shown) clearError(place);
        shown = [];
        show(data);
      } catch (error) {
        if (own !== newest) return;
        shown = places();
        for (const place of shown) showError(place, `${failed} ${messageOf(error)}`, () => void section.load());
      }
    },
    hasFailed: () => shown.length > 0,
  };
  return section;
}

/** Runs an action of a button. The button is disabled meanwhile. Shows the error of a failed action in `place`. */
export async function runAction(
  button: HTMLButtonElement,
  place: HTMLElement,
  act: () => Promise<unknown>,
  failed = "",
): Promise<void> {
  button.disabled = true;
  try {
    await act();
    clearError(place);
  } catch (error) {
    showError(place, `${failed}${messageOf(error)}`);
  } finally {
    button.disabled = false;
  }
}

/** Shows an error, with a button that tries again if `retry` is given. Replaces nothing if the place shows this error. */
export function showError(place: HTMLElement, message: string, retry?: () => void): void {
  const [text, button] = place.children;
  if (button instanceof HTMLButtonElement) button.disabled = false;
  if (!place.hidden && text?.textContent === message) return;
  const again = h("button", { type: "button" }, "Try again");
  again.addEventListener("click", () => {
    again.disabled = true;
    retry?.();
  });
  place.replaceChildren(h("p", {}, message), ...(retry ? [again] : []));
  place.hidden = false;
}

export function clearError(place: HTMLElement): void {
  place.hidden = true;
  place.replaceChildren();
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
