/** Determines which parameters a route's schema uses. */
import type { z } from "zod";
import type { UsedParams } from "./classify-params.ts";

interface Definition {
  type: string;
  shape?: Record<string, z.ZodType>;
  innerType?: z.ZodType;
  element?: z.ZodType;
  options?: readonly z.ZodType[];
  in?: z.ZodType;
}

/** Returns the parameter names that a schema uses; null if the schema uses the whole value. */
export function paramsOfSchema(schema: z.ZodType): UsedParams | null {
  const definition = (schema as unknown as { def: Definition }).def;
  switch (definition.type) {
    case "object":
      return new Map(Object.entries(definition.shape ?? {}).map(([name, field]) => [name, paramsOfSchema(field)]));
    case "optional":
    case "nullable":
    case "default":
      return definition.innerType ? paramsOfSchema(definition.innerType) : null;
    case "array":
      return definition.element ? paramsOfSchema(definition.element) : null;
    case "pipe":
      return definition.in ? paramsOfSchema(definition.in) : null;
    case "union":
      return mergeAlternatives((definition.options ?? []).map(paramsOfSchema));
    default:
      return null;
  }
}

function mergeAlternatives(alternatives: readonly (UsedParams | null)[]): UsedParams | null {
  const maps = alternatives.filter((one) => one !== null);
  return maps.length === 0 ? null : new Map(maps.flatMap((one) => [...one]));
}
