/**
 * Determines from the SDK's types which properties of a response can be expanded.
 * @see https://docs.stripe.com/expand
 */
import { fieldsOf, isOptional, responses, responseShape, type Shape } from "./shapes.ts";

/**
 * Returns whether a request can expand this property of the response. For operations that the SDK lacks, every property counts
 * as expandable.
 */
export function isExpandable(method: string, path: string, property: string): boolean {
  const shape = responseShape(method, path);
  if (shape === undefined) return true;
  let reached: Shape[] = [shape];
  for (const level of property.split(".")) {
    reached = reached.flatMap((one) => shapesBelow(one, level));
    if (reached.length === 0) return false;
  }
  return reached.some(holdsObject);
}

/**
 * Returns the possible types of a property. If the object's type is a union, collects the property's types from all
 * members of the union.
 */
function shapesBelow(shape: Shape, name: string): Shape[] {
  if (typeof shape === "string") return [];
  if ("any" in shape) return shape.any.flatMap((one) => shapesBelow(one, name));
  if ("array" in shape) return shapesBelow(shape.array, name);
  if ("list" in shape) return name === "data" ? [shape.list] : [];
  if ("search" in shape) return name === "data" ? [shape.search] : [];
  const fields = fieldsOf(shape, responses().definitions) ?? {};
  const field = Object.hasOwn(fields, name) ? fields[name] : undefined;
  if (field === undefined) return [];
  return [isOptional(field) ? field.optional : field];
}

function holdsObject(shape: Shape): boolean {
  if (typeof shape === "string") return shape === "any" || shape === "open";
  if ("any" in shape) return shape.any.some(holdsObject);
  if ("array" in shape) return holdsObject(shape.array);
  return !("enum" in shape);
}
