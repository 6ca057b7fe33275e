/** Builds DOM elements from texts and attributes. Never parses HTML. */

/** The base class of the elements. On a server, where no element can be created, the base class is `Object`. */
export const ElementBase = typeof HTMLElement === "undefined" ? (Object as unknown as typeof HTMLElement) : HTMLElement;

type Attributes = Record<string, string | boolean | ((event: Event) => void) | undefined>;
export type Child = Node | string | null;

/**
 * Returns a new DOM element with attributes and children. If an attribute's value is a function, the function becomes an event
 * listener; the value `true` becomes an empty attribute. Attributes with the value `false` or undefined are left out.
 */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (value === true) element.setAttribute(name, "");
    else if (typeof value === "string") element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}
