/** Form bodies as Stripe's SDKs send them: `a[b][0]=c` is a tree. */

export type FormValue = string | FormValue[] | { [name: string]: FormValue };

const MAX_DEPTH = 8;
const MAX_FIELDS = 2_000;
const FORBIDDEN = new Set(["__proto__", "constructor", "prototype"]);

export function parseForm(text: string): Record<string, FormValue> {
  const root: Tree = new Map();
  let fields = 0;
  for (const [name, value] of new URLSearchParams(text)) {
    if (++fields > MAX_FIELDS) break;
    insert(root, pathOf(name), value);
  }
  return toObject(root);
}

type Tree = Map<string, Tree | string>;

function pathOf(name: string): string[] {
  const [head = "", ...rest] = name.split("[");
  return [head, ...rest.map((part) => part.replace(/\]$/, ""))];
}

function insert(tree: Tree, path: readonly string[], value: string): void {
  const [head, ...rest] = path;
  if (head === undefined || FORBIDDEN.has(head) || path.length > MAX_DEPTH) return;
  // `expand[]=a&expand[]=b` appends.
  const key = head === "" ? String(tree.size) : head;
  if (rest.length === 0) {
    tree.set(key, value);
    return;
  }
  const child = tree.get(key);
  const next: Tree = child instanceof Map ? child : new Map();
  tree.set(key, next);
  insert(next, rest, value);
}

function toValue(node: Tree | string): FormValue {
  if (typeof node === "string") return node;
  const isList = node.size > 0 && [...node.keys()].every((key) => /^\d+$/.test(key));
  return isList ? [...node.values()].map(toValue) : toObject(node);
}

function toObject(tree: Tree): Record<string, FormValue> {
  return Object.fromEntries([...tree].map(([key, node]) => [key, toValue(node)]));
}
