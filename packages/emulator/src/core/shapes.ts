/** Reads the operations, parameters and responses of the pinned API version from `schema/*.json`. */
import { readFileSync } from "node:fs";
import { addUntypedParams } from "./untyped-params.ts";

/** A type of the SDK: the name of a primitive type, or an object with one key, such as `enum` or `array`. */
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
  /** The operation's name in the SDK. */
  name: string;
  /**
   * The type of the operation's parameters. The type of an operation's parameters is undefined if the emulator refuses the
   * operation.
   */
  params?: Shape | null;
}

interface OperationsFile {
  stripe: string;
  api: string;
  operations: Operation[];
  definitions: Record<string, Fields>;
}

interface ResponsesFile {
  responses: Record<string, Shape>;
  definitions: Record<string, Fields>;
}

const read = (name: string): unknown => JSON.parse(readFileSync(new URL(`../schema/${name}`, import.meta.url), "utf8"));

let operationsFile: OperationsFile | null = null;
let responsesFile: ResponsesFile | null = null;

export function operations(): OperationsFile {
  if (operationsFile) return operationsFile;
  operationsFile = read("operations.json") as OperationsFile;
  addUntypedParams(operationsFile.definitions);
  return operationsFile;
}

export function responses(): ResponsesFile {
  responsesFile ??= read("responses.json") as ResponsesFile;
  return responsesFile;
}

let shapes: Map<string, Shape> | null = null;

/** Returns the type of an operation's response; undefined if the SDK has no such operation. */
export function responseShape(method: string, path: string): Shape | undefined {
  shapes ??= new Map(
    Object.entries(responses().responses).map(([route, shape]) => {
      const [verb = "", at = ""] = route.split(" ");
      return [`${verb} ${pathPattern(at)}`, shape];
    }),
  );
  return shapes.get(`${method} ${pathPattern(path)}`);
}

/** Returns the names of an operation's parameters. Returns none if the schema does not contain the operation's parameters. */
export function paramNamesOf(method: string, path: string): string[] {
  const { operations: known, definitions } = operations();
  const params = known.find((one) => one.method === method && one.path === path)?.params;
  return Object.keys((params && fieldsOf(params, definitions)) ?? {});
}

export function fieldsOf(shape: Shape, definitions: Record<string, Fields>): Fields | null {
  if (typeof shape === "string") return null;
  if ("fields" in shape) return shape.fields;
  return "ref" in shape ? (definitions[shape.ref] ?? {}) : null;
}

export function isOptional(shape: Shape | { optional: Shape }): shape is { optional: Shape } {
  return typeof shape === "object" && "optional" in shape;
}

/**
 * Replaces all parameter names in a path with `:id`, so that paths can be compared. `/v1/customers/:customerId` becomes
 * `/v1/customers/:id`.
 */
export function pathPattern(path: string): string {
  return path.replaceAll(/:\w+/g, ":id");
}
