/** Checks the shape of plans that JavaScript code passes: types of fields, and names that are unknown. */
import { describeUnknownName } from "./nearest-name.ts";

export type FieldType = "list" | "string" | "number" | "optional string" | "optional number" | "optional boolean";
type Fields = Readonly<Record<string, FieldType>>;

/** The fields of a plan, and of the objects in its lists. */
export interface PlanFields {
  plan: Fields;
  features: Fields;
  prices: Fields;
}

/** Returns one text for each wrong type and each unknown name. Returns an empty list if the value has the shape of plans. */
export function findShapeProblems(input: unknown, fields: PlanFields): string[] {
  if (!Array.isArray(input)) return ["plans must be a list: use definePlans([...])"];
  return input.flatMap((plan: unknown, index) => {
    if (!isObject(plan)) return findFieldProblems(plan, fields.plan).map((problem) => `plan ${index + 1}: ${problem}`);
    const name = typeof plan["id"] === "string" ? `plan "${plan["id"]}"` : `plan ${index + 1}`;
    const problems = [
      ...findFieldProblems(plan, fields.plan),
      ...findListProblems(plan["features"], "feature", fields.features),
      ...findListProblems(plan["prices"], "price", fields.prices),
    ];
    return problems.map((problem) => `${name}: ${problem}`);
  });
}

/** Checks the objects in a list. A feature may also be a text. */
function findListProblems(list: unknown, name: string, fields: Fields): string[] {
  if (!Array.isArray(list)) return [];
  return list.flatMap((item: unknown, index) =>
    name === "feature" && typeof item === "string"
      ? []
      : findFieldProblems(item, fields).map((problem) => `${name} ${index + 1}: ${problem}`),
  );
}

function findFieldProblems(value: unknown, fields: Fields): string[] {
  if (!isObject(value)) return [`must be an object with ${Object.keys(fields).join(", ")}`];
  const wrong = Object.entries(fields)
    .filter(([name, type]) => !hasType(value[name], type))
    .map(([name, type]) => `${name} must be a ${type.replace("optional ", "")}`);
  const unknown = Object.keys(value).filter((name) => !Object.hasOwn(fields, name));
  return [...wrong, ...unknown.map((name) => describeUnknownName(name, Object.keys(fields)))];
}

function hasType(value: unknown, type: FieldType): boolean {
  if (type === "list") return Array.isArray(value);
  // Plans that definePlans returns contain null for an absent description.
  if (type.startsWith("optional "))
    return value === undefined || value === null || hasType(value, type.slice(9) as "string");
  return typeof value === type;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
