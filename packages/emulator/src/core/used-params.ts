/** Which parameters a route's schema uses: what it does not name, Stripe may know, but we ignore. */
import type { z } from "zod";
import type { UsedParams } from "./known-params.ts";

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  element?: z.ZodType;
  options?: readonly z.ZodType[];
  in?: z.ZodType;
}

/** Null where a value is used whole. */
export function usedParamsOf(schema: z.ZodType): UsedParams | null {
  const definition = (schema as unknown as { def: Definition }).def;
  switch (definition.type) {
    case "object":
      return new Map(Object.entries(definition.shape ?? {}).map(([name, field]) => [name, usedParamsOf(field)]));
    case "optional":
    case "nullable":
    case "default":
      return definition.innerType ? usedParamsOf(definition.innerType) : null;
    case "array":
      return definition.element ? usedParamsOf(definition.element) : null;
    case "pipe":
      return definition.in ? usedParamsOf(definition.in) : null;
    case "union":
      return merge((definition.options ?? []).map(usedParamsOf));
    default:
      return null;
  }
}

function merge(alternatives: readonly (UsedParams | null)[]): UsedParams | null {
  const maps = alternatives.filter((one) => one !== null);
  return maps.length === 0 ? null : new Map(maps.flatMap((one) => [...one]));
}
