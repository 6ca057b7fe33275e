/** Checks combinations of options: modes, https in production, return URLs, sign-in and hooks. */
import type { z } from "zod";
import { parseDatabaseUrl } from "../database-url.ts";
import type { Mode } from "../domain/records.ts";
import { checkReturnUrl, isSecureUrl, type UrlProblem } from "../domain/urls.ts";
import { nameOf, show, type OptionName } from "./problem-text.ts";
import type { OPTION_FIELDS } from "./schema.ts";

export type ParsedOptions = z.output<z.ZodObject<typeof OPTION_FIELDS>>;

export interface Problem {
  option: OptionName;
  text: string;
}

/**
 * Contains the options whose values are valid, and a function that returns true if an option is set, even to an invalid value.
 */
interface Checked {
  options: Partial<ParsedOptions>;
  isSet: (option: OptionName) => boolean;
}

export function findConflicts(checked: Checked): Problem[] {
  return [
    findModeConflicts,
    findDatabaseProblems,
    findHttpUrls,
    findReturnUrlProblems,
    findSignInProblems,
    findHooksProblems,
  ].flatMap((find) => find(checked));
}

/** Returns the mode of a Stripe key: test or live. */
export function modeOf(key: string): Mode {
  return key.split("_")[1] === "live" ? "live" : "test";
}

function findModeConflicts({ options }: Checked): Problem[] {
  const { stripeSecretKey, stripePublishableKey, stripeWebhookMode, stripeApiBase } = options;
  if (stripeSecretKey === undefined) return [];
  const mode = modeOf(stripeSecretKey);
  const problems: Problem[] = [];
  if (stripePublishableKey !== undefined && modeOf(stripePublishableKey) !== mode)
    problems.push({
      option: "stripePublishableKey",
      text: `STRIPE_PUBLISHABLE_KEY is a ${modeOf(stripePublishableKey)} key but STRIPE_SECRET_KEY is a ${mode} key: use two keys of one mode`,
    });
  if (stripeWebhookMode !== undefined && stripeWebhookMode !== mode)
    problems.push({
      option: "stripeWebhookMode",
      text: `STRIPE_WEBHOOK_MODE is ${stripeWebhookMode} but STRIPE_SECRET_KEY is a ${mode} key: use keys and endpoint of one mode`,
    });
  if (stripeApiBase !== undefined && mode === "live")
    problems.push({
      option: "stripeApiBase",
      text: "STRIPE_API_BASE is set but STRIPE_SECRET_KEY is a live key: unset it, or use a test key with the emulator",
    });
  return problems;
}

const NOT_HTTPS =
  "must use https because NODE_ENV is production: http is allowed only for localhost, *.localhost, 127.x.x.x and [::1]";

function findHttpUrls({ options }: Checked): Problem[] {
  if (!requiresHttps(options)) return [];
  const { appUrl, allowedOrigins = [], authIssuer, authJwksUri, hooksUrl } = options;
  const urls: Partial<Record<OptionName, readonly (string | undefined)[]>> = {
    appUrl: [appUrl],
    allowedOrigins,
    authIssuer: [authIssuer],
    authJwksUri: [authJwksUri],
    hooksUrl: [hooksUrl],
  };
  return (Object.entries(urls) as [OptionName, readonly (string | undefined)[]][]).flatMap(([option, values]) =>
    values
      .filter((url) => url && URL.canParse(url) && !isSecureUrl(new URL(url)))
      .map((url) => ({ option, text: `${nameOf(option)} ${show(url)} ${NOT_HTTPS}` })),
  );
}

export function requiresHttps({ environment }: Partial<ParsedOptions>): boolean {
  return environment === "production";
}

/** Returns the allowed origins of the app's pages, with the origin of `appUrl` first. */
export function originsOf({ appUrl, allowedOrigins }: Pick<ParsedOptions, "appUrl" | "allowedOrigins">): string[] {
  return [new URL(appUrl).origin, ...allowedOrigins];
}

const RETURN_URL_PROBLEMS: Record<UrlProblem, string> = {
  malformed: "must be a URL",
  not_https: NOT_HTTPS,
  has_credentials: "must not contain a user name or password",
  origin_not_allowed: "must be on the origin of APP_URL or on one of ALLOWED_ORIGINS",
};

function findReturnUrlProblems({ options }: Checked): Problem[] {
  const { appUrl, allowedOrigins } = options;
  if (appUrl === undefined || allowedOrigins === undefined) return [];
  const origins = originsOf({ appUrl, allowedOrigins });
  return (["appUrl", "successUrl", "cancelUrl", "portalReturnUrl"] as const).flatMap((option) => {
    const url = options[option];
    // The function `findHttpUrls` reports an app URL without https.
    const https = option !== "appUrl" && requiresHttps(options);
    const found = url === undefined ? null : checkReturnUrl(url, origins, https);
    return found === null ? [] : [{ option, text: `${nameOf(option)} ${show(url)} ${RETURN_URL_PROBLEMS[found]}` }];
  });
}

function findSignInProblems({ options, isSet }: Checked): Problem[] {
  if (isSet("authenticate"))
    return isSet("authIssuer") && options.authIssuer !== ""
      ? [{ option: "authenticate", text: "authenticate and AUTH_ISSUER are both set: use one of them" }]
      : [];
  const problems: Problem[] = [];
  if (!isSet("authIssuer") || options.authIssuer === "")
    problems.push({
      option: "authIssuer",
      text: "AUTH_ISSUER or AUTH0_DOMAIN is missing: set the issuer of the users' access tokens",
    });
  const hasClients = isSet("authClientIds") && options.authClientIds?.length !== 0;
  if ((!isSet("authAudience") || options.authAudience === "") && !hasClients)
    problems.push({
      option: "authAudience",
      text: "AUTH_AUDIENCE is missing: without it the service would accept tokens for other APIs. If tokens name no audience, set AUTH_CLIENT_IDS",
    });
  return problems;
}

function findHooksProblems({ isSet }: Checked): Problem[] {
  if (isSet("hooksUrl") === isSet("hooksSecret")) return [];
  return isSet("hooksUrl")
    ? [
        {
          option: "hooksSecret",
          text: "HOOKS_SECRET is missing: generate it with openssl rand -base64 32, prefixed whsec_",
        },
      ]
    : [{ option: "hooksSecret", text: "HOOKS_SECRET is set without HOOKS_URL: set the URL that receives hooks" }];
}

function findDatabaseProblems({ options }: Checked): Problem[] {
  const { databaseUrl = "", databaseDirectUrl } = options;
  if (databaseDirectUrl === undefined || !("path" in parseDatabaseUrl(databaseUrl))) return [];
  const text = "DATABASE_DIRECT_URL is set but DATABASE_URL names a file: unset it, or set DATABASE_URL to PostgreSQL";
  return [{ option: "databaseDirectUrl", text }];
}
