/** The pinned version's operations, parameters and answers, as `schema/*.json` holds them: made from the SDK's types. */
import { readFileSync } from "node:fs";

/** A type in the files: a name, or an object that says which kind it is. */
export type Shape =
  | "string"
  | "integer"
  | "number"
  | "decimal"
  | "boolean"
  | "null"
  | "any"
  | "open"
  | { enum: (string | number | boolean)[] }
  | { any: Shape[] }
  | { array: Shape }
  | { map: Shape }
  | { list: Shape }
  | { search: Shape }
  | { ref: string }
  | { fields: Fields };

export type Fields = Record<string, Shape | { optional: Shape }>;

export interface Operation {
  method: "GET" | "POST" | "DELETE";
  path: string;
  /** The SDK's name for it. */
  name: string;
  /** Absent where it is only refused. */
  params?: Shape | null;
}

interface OperationsFile {
  stripe: string;
  api: string;
  operations: Operation[];
  definitions: Record<string, Fields>;
}

interface AnswersFile {
  answers: Record<string, Shape>;
  definitions: Record<string, Fields>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../schema/${name}`, import.meta.url), "utf8"));

let operationsFile: OperationsFile | null = null;
let answersFile: AnswersFile | null = null;

export function operations(): OperationsFile {
  operationsFile ??= read("operations.json") as OperationsFile;
  return operationsFile;
}

export function answers(): AnswersFile {
  answersFile ??= read("answers.json") as AnswersFile;
  return answersFile;
}

let shapes: Map<string, Shape> | null = null;

/** What the answer to a call looks like; undefined for calls that the SDK does not have. */
export function answerShape(method: string, path: string): Shape | undefined {
  shapes ??= new Map(
    Object.entries(answers().answers).map(([route, shape]) => {
      const [verb = "", at = ""] = route.split(" ");
      return [`${verb} ${pathPattern(at)}`, shape];
    }),
  );
  return shapes.get(`${method} ${pathPattern(path)}`);
}

export function fieldsOf(shape: Shape, definitions: Record<string, Fields>): Fields | null {
  if (typeof shape === "string") return null;
  if ("fields" in shape) return shape.fields;
  return "ref" in shape ? (definitions[shape.ref] ?? {}) : null;
}

export function isOptional(shape: Shape | { optional: Shape }): shape is { optional: Shape } {
  return typeof shape === "object" && "optional" in shape;
}

/** `/v1/customers/:id` for the SDK's `/v1/customers/:customerId`: names of path parts do not matter. */
export function pathPattern(path: string): string {
  return path.replaceAll(/:\w+/g, ":id");
}
