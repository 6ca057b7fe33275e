/** Stripe's search language, as far as equality reaches. @see https://docs.stripe.com/search#search-query-language */
import { ApiError } from "./errors.ts";

const CLAUSE = /^\s*(?:metadata\['((?:[^'\\]|\\.)*)'\]|(\w+))\s*:\s*'((?:[^'\\]|\\.)*)'\s*/;
const AND = /^AND\s+/i;

export function search<T extends { metadata: Record<string, string> }>(rows: readonly T[], query: string): T[] {
  const clauses = parseQuery(query);
  return rows.filter((row) => clauses.every((clause) => clause(row)));
}

type Clause = (row: { metadata: Record<string, string> }) => boolean;

function parseQuery(query: string): Clause[] {
  const clauses: Clause[] = [];
  let rest = query;
  while (rest.trim() !== "") {
    const match = CLAUSE.exec(rest);
    if (!match) throw new ApiError(`We were unable to parse your search query: ${query}`, { param: "query" });
    const [whole, metadataName, field, value = ""] = match;
    clauses.push(toClause(metadataName, field, unescape(value)));
    rest = rest.slice(whole.length).replace(AND, "");
  }
  return clauses;
}

function toClause(metadataName: string | undefined, field: string | undefined, value: string): Clause {
  if (metadataName !== undefined) {
    const name = unescape(metadataName);
    return (row) => row.metadata[name] === value;
  }
  return (row) => (row as Record<string, unknown>)[field ?? ""] === value;
}

function unescape(text: string): string {
  return text.replaceAll(/\\(.)/g, "$1");
}
