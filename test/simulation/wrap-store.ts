/** Wraps every method of a service's store in another function. */
import type { StoreParts } from "../../packages/tollkeeper/src/store/store.ts";

type Methods = Record<string, (...args: unknown[]) => Promise<unknown>>;

/**
 * Returns a copy of a store in which `wrap(label, method)` replaces each method. The label of a store method has a form like
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
