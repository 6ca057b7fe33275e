/** Wraps every method of a service's store in another function. */
import type { StoreParts } from "../../packages/tollkeeper/src/store/store.ts";

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/**
 * Returns the parts of a store with each method replaced by `wrap(label, method)`. The label of a method is like
 * "inbox.complete".
 */
export function wrapParts(
  parts: StoreParts,
  wrap: (label: string, method: Methods[string]) => Methods[string],
): StoreParts {
  const wrapped = Object.entries(parts)
    .filter(([, methods]) => typeof methods === "object")
    .map(([part, methods]: [string, Methods]) => [
      part,
      Object.fromEntries(
        Object.entries(methods).map(([name, method]) => [name, wrap(`${part}.${name}`, method)] as const),
      ),
    ]);
  return Object.fromEntries(wrapped) as StoreParts;
}
