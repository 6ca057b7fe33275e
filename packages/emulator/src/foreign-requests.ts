/**
 * Refuses requests that a foreign web page makes a browser send. A page of another origin could post forms. A page whose host
 * name an attacker's DNS server points to this machine ("DNS rebinding") could even read responses.
 */
import type { Context as HttpContext, MiddlewareHandler } from "hono";

export interface ForeignRequestRules {
  /** Returns the URL of this server. Its host name is allowed. */
  ownUrl: () => string;
  /** More allowed hosts: a name such as "emulator", which allows every port, or a name with a port. Default: none. */
  allowedHosts?: readonly string[] | undefined;
  /** The end of the error text about a foreign host: how to allow it. Default: none. */
  remedy?: string;
  /** Returns true for requests that may name any host. Default: requests may name only loopback names and allowed hosts. */
  allowsAnyHost?: (c: HttpContext) => boolean;
  /** Returns true for requests that pages of every site may send. Default: pages of other sites may send links only. */
  allowsAnySite?: (c: HttpContext) => boolean;
  /** Returns true for requests that pages of other local origins may send. Default: pages of the own origin only. */
  allowsLocalPages?: (c: HttpContext) => boolean;
  /** Returns the response to a refused request. The message says which request is allowed. */
  refuse: (c: HttpContext, message: string) => Response | Promise<Response>;
}

const MAX_SHOWN_HOST = 100;

/**
 * Returns a middleware that refuses requests with a foreign `Host` or `Origin`. Loopback names are allowed. Requests of programs
 * are allowed, because programs send no `Origin`. Throws if an allowed host is not a host name.
 */
export function refuseForeignRequests(rules: ForeignRequestRules): MiddlewareHandler {
  const { ownUrl, remedy = "", refuse } = rules;
  const { allowsAnyHost = () => false, allowsAnySite = () => false, allowsLocalPages = () => false } = rules;
  const allowed = new Set((rules.allowedHosts ?? []).map(parseHost));
  const isAllowed = ({ host, hostname }: URL): boolean =>
    isLoopback(hostname) || allowed.has(hostname) || allowed.has(host) || hostname === new URL(ownUrl()).hostname;
  return async (c, next) => {
    // Programs send neither header, so most requests of tests need no further check.
    const isFromPage = c.req.header("origin") !== undefined || c.req.header("sec-fetch-site") !== undefined;
    if (!isFromPage && allowsAnyHost(c)) return next();
    const url = new URL(c.req.url);
    // A request line can contain another host than the header.
    const header = c.req.header("host");
    const named = header === undefined ? url : urlOfHost(header);
    if (!allowsAnyHost(c) && !(named && isAllowed(named) && isAllowed(url))) {
      const shown = (header ?? url.host).slice(0, MAX_SHOWN_HOST);
      return refuse(c, `The host "${shown}" is not allowed. Use ${ownUrl()}${remedy}.`);
    }
    const isAccepted = (): boolean => allowsAnySite(c) || (isFromHost(c, isAllowed) && allowsLocalPages(c));
    if (isFromOtherSite(c, (named ?? url).host) && !isAccepted())
      return refuse(c, `Rejected: the request comes from another site. Open ${ownUrl()}.`);
    return next();
  };
}

/**
 * Returns whether a page of another origin caused the request. A link from another site is allowed, because apps redirect to
 * the pages.
 */
function isFromOtherSite(c: HttpContext, host: string): boolean {
  const origin = c.req.header("origin");
  if (origin !== undefined && !(URL.canParse(origin) && new URL(origin).host === host)) return true;
  const site = c.req.header("sec-fetch-site");
  if (site === undefined || site === "same-origin" || site === "none") return false;
  const reads = c.req.method === "GET" || c.req.method === "HEAD";
  return !reads || c.req.header("sec-fetch-mode") !== "navigate";
}

/** Returns whether a page whose host is allowed caused the request. */
function isFromHost(c: HttpContext, isAllowed: (origin: URL) => boolean): boolean {
  const origin = c.req.header("origin");
  return origin !== undefined && URL.canParse(origin) && isAllowed(new URL(origin));
}

/** Returns whether a host name is a loopback address. No DNS server decides these addresses. */
function isLoopback(hostname: string): boolean {
  return (
    hostname === "localhost" ||
    hostname.endsWith(".localhost") ||
    hostname === "[::1]" ||
    /^127(\.\d+){3}$/.test(hostname)
  );
}

/** Returns the normal form of an allowed host. Throws an error with a code if the value is not a host. */
function parseHost(value: string): string {
  const url = urlOfHost(value);
  if (url) return url.host;
  const message = `The allowed host "${value}" must be a host name, such as emulator or emulator:12111`;
  throw Object.assign(new Error(message), { code: "usage" });
}

function urlOfHost(host: string): URL | null {
  const text = `http://${host}`;
  const url = URL.canParse(text) ? new URL(text) : null;
  return url && url.href === `http://${url.host}/` ? url : null;
}
