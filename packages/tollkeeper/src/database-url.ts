/** Parses `DATABASE_URL`. Errors never contain the URL, because it may contain a password. */
import { nearestName } from "./domain/nearest-name.ts";

export type DatabaseUrl = { dialect: "sqlite"; path: string } | { dialect: "postgres" };

const FORMS = '"file:PATH" for SQLite or "postgres://USER:PASSWORD@HOST/DATABASE" for PostgreSQL';
const SCHEMES = ["file", "postgres", "postgresql"];

/**
 * Returns the kind of a database URL, or a text about its problem without the variable's name. SQLite has these forms:
 * `file:PATH` with an absolute path or with a path below the working folder, `file:///PATH`, and `file::memory:`.
 */
export function parseDatabaseUrl(url: string): DatabaseUrl | { problem: string } {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1];
  if (scheme === "file") return parseFile(url, url.slice("file:".length));
  if (scheme === "postgres" || scheme === "postgresql") {
    if (/^postgres(ql)?:\/\/./.test(url) && URL.canParse(url)) return { dialect: "postgres" };
    return {
      problem: `must have the form "postgres://USER:PASSWORD@HOST/DATABASE": encode special characters of the password, such as %23 for #`,
    };
  }
  const nearest = scheme === undefined ? null : nearestName(scheme, SCHEMES);
  return { problem: `must be ${FORMS}${nearest === null ? "" : `: did you mean "${nearest}:"?`}` };
}

function parseFile(url: string, path: string): DatabaseUrl | { problem: string } {
  if (path === ":memory:") return { dialect: "sqlite", path };
  if (path.includes("?") || path.includes("#"))
    return { problem: 'must be "file:PATH" without ? and #: SQLite options in the URL are not supported' };
  if (path.startsWith("///")) return parseFileUrl(url);
  if (path.startsWith("//"))
    return {
      problem: 'must not begin with "file://": use "file:PATH" for a path below the working folder, or "file:///PATH"',
    };
  if (path.trim() === "") return { problem: `has no path: it must be ${FORMS}` };
  if (/(^|[/\\])\.{0,2}$/.test(path)) return { problem: "names a folder: add the name of a file" };
  return { dialect: "sqlite", path };
}

/** Parses the form `file:///PATH`. Its path is decoded as in every URL: `%20` is a space. */
function parseFileUrl(url: string): DatabaseUrl | { problem: string } {
  try {
    return parseFile("", decodeURIComponent(new URL(url).pathname).replace(/^\/(?=[A-Za-z]:)/, ""));
  } catch {
    return { problem: 'must have the form "file:///PATH" with % only in codes such as %20' };
  }
}
