/** What can be expanded: where the types say that an object may stand for its id, or may be left out. @see https://docs.stripe.com/expand */
import { answers, answerShape, fieldsOf, isOptional, type Shape } from "./shapes.ts";

/** Whether the answer to a call of the SDK has such a property; true for calls that it does not know. */
export function isExpandable(method: string, path: string, property: string): boolean {
  const shape = answerShape(method, path);
  if (shape === undefined) return true;
  let reached: Shape[] = [shape];
  for (const level of property.split(".")) {
    reached = reached.flatMap((one) => below(one, level));
    if (reached.length === 0) return false;
  }
  return reached.some(holdsObject);
}

/** The shapes that a property may have, of whichever alternative has it. */
function below(shape: Shape, name: string): Shape[] {
  if (typeof shape === "string") return [];
  if ("any" in shape) return shape.any.flatMap((one) => below(one, name));
  if ("array" in shape) return below(shape.array, name);
  if ("list" in shape) return name === "data" ? [shape.list] : [];
  if ("search" in shape) return name === "data" ? [shape.search] : [];
  const fields = fieldsOf(shape, answers().definitions) ?? {};
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
