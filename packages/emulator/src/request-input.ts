/** Reads API requests: the API key, the version, the body and the parameters. */
import type { Context as HttpContext } from "hono";
import { ApiError } from "./core/errors.ts";
import { type FormValue, parseForm } from "./core/form-encoding.ts";
import { API_VERSION } from "./core/state.ts";

const MAX_BODY_BYTES = 1_048_576;

const API_KEY = /^(?:sk|rk|pk)_test_(\w+)$/;

/** The account of a request, whose ID is the text after `sk_test_` or `pk_test_`, and the kind of the API key. */
export interface RequestKey {
  account: string;
  publishable: boolean;
}

/**
 * Returns the kind of a request's API key, and the account whose data the request uses. Throws Stripe's 401 error if the key is
 * invalid, or publishable but not allowed.
 */
export function readKey(c: HttpContext, allowsPublishable = false): RequestKey {
  const header = c.req.header("authorization") ?? "";
  const bearer = /^Bearer (.+)$/.exec(header)?.[1];
  const basic = /^Basic (.+)$/.exec(header)?.[1];
  const key = bearer ?? (basic && Buffer.from(basic, "base64").toString("utf8").split(":")[0]);
  if (!key)
    throw new ApiError(
      "You did not provide an API key. You need to provide your API key in the Authorization header, using Bearer auth (e.g. 'Authorization: Bearer YOUR_SECRET_KEY'). See https://stripe.com/docs/api#authentication for details, or we can help at https://support.stripe.com/.",
      { status: 401 },
    );
  const account = API_KEY.exec(key)?.[1];
  if (account === undefined) {
    const shown = `${key.slice(0, 8)}${"*".repeat(8)}${key.slice(-4)}`;
    throw new ApiError(`Invalid API Key provided: ${shown}`, { status: 401 });
  }
  const publishable = key.startsWith("pk_");
  if (publishable && !allowsPublishable)
    throw new ApiError(
      "This API call cannot be made with a publishable API key. Please use a secret API key. You can find a list of your API keys at https://dashboard.stripe.com/account/apikeys.",
      { status: 401, code: "secret_key_required" },
    );
  return { account: connectedAccount(c, account), publishable };
}

/**
 * Returns the response header that contains the emulator's time in epoch milliseconds, so that a program can follow the
 * emulator's clock. Only requests with a valid secret key get this header.
 */
export function timeHeader(c: HttpContext, nowSeconds: number): Record<string, string> {
  try {
    readKey(c);
  } catch {
    return {};
  }
  return { "stripe-emulator-time": String(nowSeconds * 1_000) };
}

/**
 * Returns the ID of the account whose data a request uses: the account of the API key, or the connected account that the header
 * `Stripe-Account` names. Each platform has its own copy of a connected account. Throws Stripe's 403 error if the header is no
 * account ID.
 * @see https://docs.stripe.com/connect/authentication
 */
function connectedAccount(c: HttpContext, platform: string): string {
  const connected = c.req.header("stripe-account");
  if (connected === undefined || connected === `acct_${platform}`) return platform;
  if (!CONNECTED_ACCOUNT.test(connected))
    throw new ApiError(
      `The provided key does not have access to account '${connected.slice(0, MAX_SHOWN_ID)}' (or that account does not exist). Application access may have been revoked.`,
      { status: 403, code: "account_invalid" },
    );
  return `${platform}/${connected.slice("acct_".length)}`;
}

const CONNECTED_ACCOUNT = /^acct_\w{1,60}$/;
const MAX_SHOWN_ID = 40;

const API_VERSION_FORMAT = /^\d{4}-\d{2}-\d{2}(\.[a-z]+)?$/;

/**
 * Returns the request's API version if it is not the pinned version; null otherwise. All responses have the pinned version.
 * Throws if the API version has an invalid format.
 */
export function otherVersionOf(c: HttpContext): string | null {
  const version = c.req.header("stripe-version");
  if (version === undefined || version === API_VERSION) return null;
  if (!API_VERSION_FORMAT.test(version)) throw new ApiError(`Invalid Stripe API version: ${version.slice(0, 100)}`);
  return version;
}

/** Returns the request body as text. Returns an error if the body is too large or is not UTF-8. */
export async function readText(c: HttpContext): Promise<string | ApiError> {
  if (c.req.method === "GET") return "";
  if (Number(c.req.header("content-length") ?? 0) > MAX_BODY_BYTES) return bodyTooLarge();
  const bytes = await c.req.arrayBuffer();
  if (bytes.byteLength > MAX_BODY_BYTES) return bodyTooLarge();
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return new ApiError("The request body is not valid UTF-8.");
  }
}

function bodyTooLarge(): ApiError {
  return new ApiError("The request body is too large.", { status: 413 });
}

/** Returns the query of the URL without "?"; "" if the URL has none. */
export function queryOf({ req: { url } }: HttpContext): string {
  const question = url.indexOf("?");
  return question < 0 ? "" : url.slice(question + 1);
}

export function readParams(c: HttpContext, text: string): Record<string, FormValue> {
  const query = parseForm(queryOf(c));
  if (text === "") return query;
  if (!(c.req.header("content-type") ?? "").startsWith("application/x-www-form-urlencoded"))
    throw new ApiError(
      "Invalid request (check that your POST content type is application/x-www-form-urlencoded). If you have any questions, we can help at https://support.stripe.com/.",
    );
  return { ...query, ...parseForm(text) };
}
