/** Parses form bodies as Stripe's SDKs send them: `a[b][0]=c` becomes nested values. */
import { ApiError } from "./errors.ts";

export type FormValue = string | FormValue[] | { [name: string]: FormValue };

const MAX_DEPTH = 8;
const MAX_FIELDS = 2_000;
/**
 * Names of hash parameters, such as `metadata`, in which the API client chooses the keys. A hash parameter stays a hash even if
 * its keys are numbers.
 */
const OPEN_HASHES = new Set(["metadata", "payload"]);

/** Parses a form-encoded text. Throws a 400 error if the text is not a valid form. */
export function parseForm(text: string): Record<string, FormValue> {
  const root: Tree = new Map();
  const fields = text.split("&").filter((field) => field !== "");
  if (fields.length > MAX_FIELDS) throw new ApiError(`A request can have at most ${MAX_FIELDS} parameters.`);
  for (const field of fields) {
    const equals = field.indexOf("=");
    const name = decode(equals < 0 ? field : field.slice(0, equals));
    const value = equals < 0 ? "" : decode(field.slice(equals + 1));
    const path = pathOf(name);
    check(name, path, value);
    insert(root, path, value, name);
  }
  return toObject(root);
}

type Tree = Map<string, Tree | string>;

/** Decodes percent-encoded UTF-8. Throws a 400 error if the form's encoding is invalid. */
function decode(part: string): string {
  const spaced = part.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  try {
    return decodeURIComponent(spaced);
  } catch {
    throw new ApiError(`Invalid %-encoding (${part.slice(0, 100)})`);
  }
}

function pathOf(name: string): string[] {
  const [head = "", ...rest] = name.split("[");
  return [head, ...rest.map((part) => part.replace(/\]$/, ""))];
}

function check(name: string, path: readonly string[], value: string): void {
  const shown = name.slice(0, 100);
  if (path.length > MAX_DEPTH) throw new ApiError(`The parameter ${shown} is nested too deeply.`);
  if (path[0] === "" || path.includes("__proto__"))
    throw new ApiError(`Received unknown parameter: ${shown}`, { code: "parameter_unknown", param: shown });
  if (name.includes("\0") || value.includes("\0"))
    throw new ApiError("This value contains characters that are unsupported by the field.", {
      code: "invalid_characters",
      param: shown.replaceAll("\0", ""),
    });
}

function insert(tree: Tree, [head = "", ...rest]: readonly string[], value: string, name: string): void {
  const key = head === "" ? listKeyFor(tree, rest) : head;
  if (rest.length === 0) {
    tree.set(key, value);
    return;
  }
  const child = tree.get(key);
  if (typeof child === "string") throw new ApiError("Invalid object", { param: name.slice(0, name.indexOf("[")) });
  const next: Tree = child ?? new Map();
  tree.set(key, next);
  insert(next, rest, value, name);
}

/**
 * Returns the list index that `[]` in a form parameter's name means. `expand[]=a&expand[]=b` makes two entries.
 * `items[][price]=a&items[][quantity]=2` makes one entry with two fields.
 */
function listKeyFor(tree: Tree, [next]: readonly string[]): string {
  const last = String(tree.size - 1);
  const entry = tree.get(last);
  return next !== undefined && next !== "" && entry instanceof Map && !entry.has(next) ? last : String(tree.size);
}

function toValue(name: string, node: Tree | string): FormValue {
  if (typeof node === "string") return node;
  const isList = node.size > 0 && !OPEN_HASHES.has(name) && [...node.keys()].every((key) => /^\d+$/.test(key));
  if (!isList) return toObject(node);
  const inOrder = [...node].toSorted(([one], [other]) => Number(one) - Number(other));
  return inOrder.map(([key, entry]) => toValue(key, entry));
}

function toObject(tree: Tree): Record<string, FormValue> {
  return Object.fromEntries([...tree].map(([key, node]) => [key, toValue(key, node)]));
}
