/** Lists all operations of the SDK with the parameters that the emulator does not use, for FIDELITY.md. */
import { createApi } from "./api.ts";
import type { UsedParams } from "./core/classify-params.ts";
import { type Fields, fieldsOf, isOptional, operations, pathPattern, type Shape } from "./core/shapes.ts";
import { newState } from "./core/state.ts";
import { unusedParams } from "./core/unused-params.ts";
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
  /** Unused parameters that are cosmetic: the emulator ignores them. */
  ignored: string[];
  /** Unused parameters that are not cosmetic: the emulator refuses them with a 501. */
  refused: string[];
}

/**
 * Returns one line per unused parameter that `unused-params.json` does not classify, and per entry of the file that the emulator
 * uses or that the SDK lacks.
 */
export function findClassificationProblems(): string[] {
  const listed = unusedParams();
  const missing = [...unusedByOperation()].flatMap(([key, unused]) => {
    const { cosmetic = [], refused = [] } = listed[key] ?? {};
    return unused
      .filter((param) => !cosmetic.includes(param) && !refused.includes(param))
      .map((param) => `${key} ${param} is not classified as cosmetic or refused`);
  });
  return [
    ...missing,
    ...findStaleClasses().map(({ key, param }) => `${key} ${param} is classified, but it is not unused`),
  ];
}

/** Returns the entries of `unused-params.json` that are no longer unused parameters. */
export function findStaleClasses(): { key: string; param: string }[] {
  const unused = unusedByOperation();
  return Object.entries(unusedParams()).flatMap(([key, { cosmetic = [], refused = [] }]) =>
    [...cosmetic, ...refused].filter((param) => !unused.get(key)?.includes(param)).map((param) => ({ key, param })),
  );
}

function unusedByOperation(): Map<string, string[]> {
  return new Map(listOperations().map(({ method, path, unused }) => [`${method} ${pathPattern(path)}`, unused]));
}

export function fidelity(): OperationFidelity[] {
  return listOperations().map(({ name, method, path, tier, unused }) => {
    const { cosmetic = [] } = unusedParams()[`${method} ${pathPattern(path)}`] ?? {};
    const ignored = unused.filter((param) => cosmetic.includes(param));
    return { name, method, path, tier, ignored, refused: unused.filter((param) => !ignored.includes(param)) };
  });
}

/** Returns all operations with their unused parameters. In the name of a parameter, `[]` stands for any entry of a list. */
function listOperations(): (Pick<OperationFidelity, "name" | "method" | "path" | "tier"> & {
  unused: string[];
})[] {
  const { operations: known, definitions } = operations();
  const uses = usesByRoute();
  return known.map(({ name, method, path, params }) => {
    const used = uses.get(`${method} ${pathPattern(path)}`);
    if (!used) return { name, method, path, tier: "refused", unused: [] };
    const fields = (params && fieldsOf(params, definitions)) ?? {};
    const tier = EMPTY_LIST_PATHS.includes(path.replace(/\/:id$/, "")) ? "empty" : "behaves";
    return { name, method, path, tier, unused: unusedOf(fields, used, "") };
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
  const api = createApi(engine, { checkResponses: false, strict: true, onWarning: () => {} });
  for (const addRoutes of RESOURCES) addRoutes(api);
  return new Map(api.routes.map(({ method, path, uses }) => [`${method} ${pathPattern(path)}`, uses]));
}

function unusedOf(fields: Fields, used: UsedParams, prefix: string): string[] {
  return Object.entries(fields).flatMap(([name, field]) => {
    const full = prefix === "" ? name : `${prefix}[${name}]`;
    if (!used.has(name)) return name === "expand" ? [] : [full];
    const inner = used.get(name);
    return inner ? unusedInside(isOptional(field) ? field.optional : field, inner, full) : [];
  });
}

function unusedInside(shape: Shape, used: UsedParams, name: string): string[] {
  if (typeof shape === "object" && "array" in shape) return unusedInside(shape.array, used, `${name}[]`);
  if (typeof shape === "object" && "any" in shape)
    return [...new Set(shape.any.flatMap((one) => unusedInside(one, used, name)))];
  const fields = fieldsOf(shape, operations().definitions);
  return fields === null ? [] : unusedOf(fields, used, name);
}
