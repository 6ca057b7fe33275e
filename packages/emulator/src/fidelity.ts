/** How true the emulator is: each of the SDK's operations, and what of it is taken and ignored. */
import { createApi } from "./api.ts";
import { fieldsOf, isOptional, operations, pathPattern, type Fields, type Shape } from "./core/shapes.ts";
import type { UsedParams } from "./core/known-params.ts";
import { newState } from "./core/world.ts";
import { createEngine } from "./engine.ts";
import { RESOURCES } from "./resources/index.ts";

export interface OperationFidelity {
  /** As the SDK names it: `Subscription.create`. */
  name: string;
  method: string;
  path: string;
  /** "behaves": as Stripe does, for the parameters it uses. "refused": a 501 that says so. */
  tier: "behaves" | "refused";
  /** Parameters that Stripe knows, and that change nothing here; a `[]` stands for each entry of a list. */
  ignored: string[];
}

export function fidelity(): OperationFidelity[] {
  const { operations: known, definitions } = operations();
  const uses = usesByRoute();
  return known.map(({ name, method, path, params }) => {
    const used = uses.get(`${method} ${pathPattern(path)}`);
    if (!used) return { name, method, path, tier: "refused", ignored: [] };
    const fields = (params && fieldsOf(params, definitions)) ?? {};
    return { name, method, path, tier: "behaves", ignored: ignoredOf(fields, used, "") };
  });
}

function usesByRoute(): Map<string, UsedParams> {
  const engine = createEngine({
    state: newState(1, 0),
    baseUrl: "",
    network: { fetch: () => Promise.reject(new Error("nothing is sent")), wallNow: () => 0 },
    clock: "still",
    checked: false,
    onAccount: () => {},
    onChange: () => {},
  });
  const api = createApi(engine, { checkAnswers: false, onIgnored: () => {} });
  for (const addRoutes of RESOURCES) addRoutes(api);
  return new Map(api.routes.map(({ method, path, uses }) => [`${method} ${pathPattern(path)}`, uses]));
}

function ignoredOf(fields: Fields, used: UsedParams, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const full = prefix === "" ? name : `${prefix}[${name}]`;
    if (!used.has(name)) return name === "expand" ? [] : [full];
    const inner = used.get(name);
    return inner ? inside(isOptional(field) ? field.optional : field, inner, full) : [];
  });
}

function inside(shape: Shape, used: UsedParams, name: string): string[] {
  if (typeof shape === "object" && "array" in shape) return inside(shape.array, used, `${name}[]`);
  if (typeof shape === "object" && "any" in shape)
    return [...new Set(shape.any.flatMap((one) => inside(one, used, name)))];
  const fields = fieldsOf(shape, operations().definitions);
  return fields === null ? [] : ignoredOf(fields, used, name);
}
