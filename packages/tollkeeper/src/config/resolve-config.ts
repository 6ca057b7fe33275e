/** Checks the options and converts them to the configuration of the service. */
import { z } from "zod";
import type { UrlPolicy } from "../actions/context.ts";
import type { Authenticate } from "../auth/authenticate.ts";
import { completePolicy, type AccessPolicy } from "../domain/access.ts";
import { withApp, type Plans } from "../domain/plans.ts";
import type { Mode } from "../domain/records.ts";
import { normalizeReturnUrl, withSessionId } from "../domain/urls.ts";
import { ConfigError } from "../errors.ts";
import type { TollkeeperOptions } from "../options.ts";
import {
  DEFAULT_REQUESTS_PER_ENDPOINT,
  DEFAULT_REQUESTS_PER_SECOND,
  DEFAULT_USER_ID_METADATA_KEY,
  EMULATOR_REQUESTS_PER_ENDPOINT,
  EMULATOR_REQUESTS_PER_SECOND,
} from "./defaults.ts";
import { describeUnknownOption, type OptionName } from "./problem-text.ts";
import { findConflicts, modeOf, originsOf, requiresHttps, type ParsedOptions } from "./relations.ts";
import { OPTION_FIELDS } from "./schema.ts";

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;

interface IssuerConfig {
  issuer: string;
  audience: string | undefined;
  clientIds: readonly string[] | undefined;
  algorithms: readonly string[] | undefined;
  jwksUri: string | undefined;
}

export interface Config {
  mode: Mode;
  plans: Plans;
  stripe: {
    secretKey: string;
    publishableKey: string;
    webhookSecrets: readonly string[];
    apiBase: string | undefined;
    /** Id of the account to which the operator has changed on purpose; null if it has not changed. */
    accountChangedTo: string | null;
    networkRetries: number;
    requestsPerSecond: number;
    requestsPerEndpoint: number;
    requestsInFlight: number;
  };
  reconcileEveryMs: number;
  keepDoneMs: number;
  keepEventBodies: boolean;
  databaseUrl: string;
  databaseDirectUrl: string | undefined;
  auth: IssuerConfig | { authenticate: Authenticate };
  basePath: string;
  userIdMetadataKey: string;
  urls: UrlPolicy;
  corsCredentials: boolean;
  allowPromotionCodes: boolean;
  access: AccessPolicy;
  webhookToleranceMs: number;
  metricsToken: string | null;
  workToken: string | null;
  hooks: { url: string; secret: string } | null;
}

/**
 * The schema that checks all options of `createTollkeeper`. The schema checks combinations of the valid options even if other
 * options are invalid, so that one start reports all problems.
 */
const optionsSchema = z.strictObject(OPTION_FIELDS).superRefine(
  (options, context) => {
    if (typeof options !== "object") return;
    const invalid = new Set(context.issues.map(({ path }) => path?.[0]));
    const valid = Object.fromEntries(Object.entries(options).filter(([option]) => !invalid.has(option)));
    const isSet = (option: OptionName): boolean => options[option] !== undefined;
    for (const { option, text } of findConflicts({ options: valid, isSet }))
      context.addIssue({ code: "custom", path: [option], message: text });
  },
  { when: () => true },
);

/**
 * Returns the configuration. Throws a `ConfigError` that lists all problems of the options. Each listed problem names the
 * option or its environment variable, the value, and the correction.
 */
export function resolveConfig(options: TollkeeperOptions): Config {
  const result = optionsSchema.safeParse(options);
  if (result.success) return toConfig(result.data);
  throw new ConfigError(result.error.issues.toSorted(byOption).flatMap(textsOf));
}

/**
 * Returns the given options, checked and with defaults, for a command that needs no other options. Ignores missing and invalid
 * values of other options. Throws a `ConfigError` that lists all problems of the given options and all unknown options.
 */
export function resolveOptions<Name extends OptionName>(
  options: Partial<TollkeeperOptions>,
  names: readonly Name[],
): Pick<ParsedOptions, Name> {
  const needed: ReadonlySet<PropertyKey | undefined> = new Set(names);
  const result = optionsSchema.safeParse(options);
  const issues = (result.error?.issues ?? []).filter(
    ({ code, path: [option] }) => needed.has(option) || code === "unrecognized_keys",
  );
  if (issues.length > 0) throw new ConfigError(issues.toSorted(byOption).flatMap(textsOf));
  const values = names.map((name) => [name, OPTION_FIELDS[name].parse(options[name])]);
  return Object.fromEntries(values) as Pick<ParsedOptions, Name>;
}

function toConfig(options: ParsedOptions): Config {
  const mode = modeOf(options.stripeSecretKey);
  return {
    mode,
    plans: withApp(options.plans, options.app),
    stripe: toStripeConfig(options, mode),
    reconcileEveryMs: options.reconcileEveryMinutes * MINUTE_MS,
    keepDoneMs: options.keepDoneDays * DAY_MS,
    keepEventBodies: options.keepEventBodies,
    databaseUrl: options.databaseUrl,
    databaseDirectUrl: options.databaseDirectUrl,
    auth: toAuth(options),
    basePath: options.basePath,
    userIdMetadataKey: userIdKeyOf(options),
    urls: toUrlPolicy(options),
    corsCredentials: options.corsCredentials,
    allowPromotionCodes: options.allowPromotionCodes,
    access: completePolicy(options.access),
    webhookToleranceMs: options.webhookToleranceSeconds * 1_000,
    metricsToken: options.metricsToken ?? null,
    workToken: options.workToken ?? null,
    hooks: toHooksTarget(options),
  };
}

/**
 * Returns the metadata key that holds the user's id. Each app has its own key, because the users of two apps may have equal
 * ids.
 */
export function userIdKeyOf({ app, userIdMetadataKey }: Pick<ParsedOptions, "app" | "userIdMetadataKey">): string {
  return userIdMetadataKey ?? (app === undefined ? DEFAULT_USER_ID_METADATA_KEY : `${app}_user_id`);
}

function toStripeConfig(options: ParsedOptions, mode: Mode): Config["stripe"] {
  const { stripeApiBase: apiBase } = options;
  const perSecond = apiBase === undefined ? DEFAULT_REQUESTS_PER_SECOND[mode] : EMULATOR_REQUESTS_PER_SECOND;
  const perEndpoint = apiBase === undefined ? DEFAULT_REQUESTS_PER_ENDPOINT : EMULATOR_REQUESTS_PER_ENDPOINT;
  return {
    secretKey: options.stripeSecretKey,
    publishableKey: options.stripePublishableKey,
    webhookSecrets: options.stripeWebhookSecrets,
    apiBase,
    accountChangedTo: options.stripeAccountChanged ?? null,
    networkRetries: options.stripeNetworkRetries,
    requestsPerSecond: options.stripeRequestsPerSecond ?? perSecond,
    requestsPerEndpoint: options.stripeRequestsPerEndpoint ?? perEndpoint,
    requestsInFlight: options.stripeRequestsInFlight,
  };
}

function toAuth(options: ParsedOptions): Config["auth"] {
  const { authenticate, authAudience: audience, authClientIds: clientIds } = options;
  if (authenticate) return { authenticate };
  // The checks in relations.ts ensure that the option for the issuer is set here.
  const { authIssuer: issuer = "", authAlgorithms: algorithms, authJwksUri: jwksUri } = options;
  return { issuer, audience, clientIds, algorithms, jwksUri };
}

function toUrlPolicy(options: ParsedOptions): UrlPolicy {
  const { appUrl, successUrl = appUrl, cancelUrl = appUrl, portalReturnUrl = appUrl } = options;
  return {
    allowedOrigins: originsOf(options),
    requireHttps: requiresHttps(options),
    successUrl: withSessionId(normalizeReturnUrl(successUrl)),
    cancelUrl: normalizeReturnUrl(cancelUrl),
    portalReturnUrl: normalizeReturnUrl(portalReturnUrl),
  };
}

function toHooksTarget({ hooksUrl: url, hooksSecret: secret }: ParsedOptions): Config["hooks"] {
  return url === undefined || secret === undefined ? null : { url, secret };
}

type Issue = z.core.$ZodIssue;

function byOption(one: Issue, other: Issue): number {
  const order = Object.keys(OPTION_FIELDS);
  const rank = ({ path: [option] }: Issue): number =>
    option === undefined ? order.length : order.indexOf(String(option));
  return rank(one) - rank(other);
}

function textsOf(issue: Issue): string[] {
  if (issue.code !== "unrecognized_keys") return [issue.message];
  const path = issue.path.map(String);
  return issue.keys.map((key) => describeUnknownOption([...path, key], namesAt(path)));
}

/** Returns the known names in the options, or in the object at the given path of the options. */
function namesAt(path: readonly string[]): string[] {
  let fields: Readonly<Record<string, unknown>> = OPTION_FIELDS;
  for (const name of path) fields = shapeOf(fields[name]);
  return Object.keys(fields);
}

function shapeOf(field: unknown): Readonly<Record<string, unknown>> {
  if (field instanceof z.ZodOptional || field instanceof z.ZodExactOptional) return shapeOf(field.unwrap());
  return field instanceof z.ZodObject ? field.shape : {};
}
