/** `expand`: ids become the objects they name. @see https://docs.stripe.com/expand */
import { ApiError } from "./errors.ts";
import { copy, lookUp, type World } from "./world.ts";

const MAX_LEVELS = 4;

export function expand<T extends object>(world: World, object: T, paths: readonly string[] | undefined): T {
  const expanded = copy(object);
  // Nothing is left to expand of what was deleted.
  if ("deleted" in expanded) return expanded;
  for (const path of paths ?? []) {
    const levels = path.split(".");
    if (levels.length > MAX_LEVELS)
      throw new ApiError(`You cannot expand more than ${MAX_LEVELS} levels of a property: ${path}`, {
        param: "expand",
      });
    walk(world, expanded as Record<string, unknown>, levels, path);
  }
  return expanded;
}

function walk(world: World, object: Record<string, unknown>, levels: readonly string[], path: string): void {
  const [name, ...rest] = levels;
  if (name === undefined) return;
  if (!(name in object)) throw new ApiError(`This property cannot be expanded (${path}).`, { param: "expand" });
  const value = object[name];
  if (Array.isArray(value)) {
    object[name] = value.map((entry: unknown) => resolve(world, entry));
    for (const entry of object[name] as unknown[]) descend(world, entry, rest, path);
    return;
  }
  object[name] = resolve(world, value);
  descend(world, object[name], rest, path);
}

function descend(world: World, value: unknown, rest: readonly string[], path: string): void {
  if (typeof value === "object" && value !== null) walk(world, value as Record<string, unknown>, rest, path);
}

function resolve(world: World, value: unknown): unknown {
  if (typeof value !== "string") return value;
  const found = lookUp(world, value);
  return found ? copy(found) : value;
}
