/** Lists all operations of the SDK with the parameters that the emulator ignores, for FIDELITY.md. */
import { createApi } from "./api.ts";
import type { UsedParams } from "./core/classify-params.ts";
import { type Fields, fieldsOf, isOptional, operations, pathPattern, type Shape } from "./core/shapes.ts";
import { newState } from "./core/state.ts";
import { createEngine } from "./engine.ts";
import { EMPTY_LIST_PATHS } from "./resources/empty-lists.ts";
import { RESOURCES } from "./resources/index.ts";

export interface OperationFidelity {
  /** The operation's name in Stripe's SDK, such as `Subscription.create`. */
  name: string;
  method: string;
  path: string;
  /**
   * The value is "behaves" if the operation works as at Stripe for the parameters that the emulator uses. The value is "empty" if
   * the operation reads objects that cannot exist in the emulator. The value is "refused" if the operation returns 501.
   */
  tier: "behaves" | "empty" | "refused";
  /**
   * Parameters that Stripe supports and the emulator ignores. In the name of a parameter, `[]` stands for any entry of
   * a list.
   */
  ignored: string[];
}

export function fidelity(): OperationFidelity[] {
  const { operations: known, definitions } = operations();
  const uses = usesByRoute();
  return known.map(({ name, method, path, params }) => {
    const used = uses.get(`${method} ${pathPattern(path)}`);
    if (!used) return { name, method, path, tier: "refused", ignored: [] };
    const fields = (params && fieldsOf(params, definitions)) ?? {};
    const tier = EMPTY_LIST_PATHS.includes(path.replace(/\/:id$/, "")) ? "empty" : "behaves";
    return { name, method, path, tier, ignored: ignoredOf(fields, used, "") };
  });
}

function usesByRoute(): Map<string, UsedParams> {
  const engine = createEngine({
    state: newState(1, 0),
    baseUrl: () => "",
    network: {
      fetch: () => Promise.reject(new Error("the generator of FIDELITY.md must not send requests")),
      wallNow: () => 0,
    },
    clock: "still",
    freezeRows: false,
    onAccount: () => {},
    onChange: () => {},
  });
  const api = createApi(engine, { checkResponses: false, onIgnored: () => {} });
  for (const addRoutes of RESOURCES) addRoutes(api);
  return new Map(api.routes.map(({ method, path, uses }) => [`${method} ${pathPattern(path)}`, uses]));
}

function ignoredOf(fields: Fields, used: UsedParams, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const full = prefix === "" ? name : `${prefix}[${name}]`;
    if (!used.has(name)) return name === "expand" ? [] : [full];
    const inner = used.get(name);
    return inner ? ignoredInside(isOptional(field) ? field.optional : field, inner, full) : [];
  });
}

function ignoredInside(shape: Shape, used: UsedParams, name: string): string[] {
  if (typeof shape === "object" && "array" in shape) return ignoredInside(shape.array, used, `${name}[]`);
  if (typeof shape === "object" && "any" in shape)
    return [...new Set(shape.any.flatMap((one) => ignoredInside(one, used, name)))];
  const fields = fieldsOf(shape, operations().definitions);
  return fields === null ? [] : ignoredOf(fields, used, name);
}
