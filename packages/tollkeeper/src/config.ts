/** Every option, every default and every environment name, once. Refuses what is missing or contradictory. */
import { DEFAULT_ACCESS_POLICY, type AccessPolicy } from "./domain/access.ts";
import type { Hooks } from "./domain/hooks.ts";
import type { Plans } from "./domain/plans.ts";
import type { Mode } from "./domain/records.ts";
import { checkReturnUrl, withSessionId } from "./domain/urls.ts";
import type { Authenticate } from "./auth/authenticate.ts";
import type { UrlPolicy } from "./actions/context.ts";
import { ConfigError } from "./errors.ts";
import type { Logger, Runtime } from "./runtime.ts";
import type { Tracer } from "./tracing.ts";

export interface TollkeeperOptions {
  /** What is sold, by `definePlans`. */
  plans: Plans;
  /** `STRIPE_SECRET_KEY`: `sk_test_…`, `sk_live_…` or a restricted `rk_…`. Decides the mode. */
  stripeSecretKey: string;
  /** `STRIPE_PUBLISHABLE_KEY`: `pk_test_…` or `pk_live_…`, of the same mode. */
  stripePublishableKey: string;
  /** `STRIPE_WEBHOOK_SECRET`: `whsec_…`; several while one is being rotated (comma between in the environment). */
  stripeWebhookSecrets: readonly string[];
  /** `STRIPE_WEBHOOK_MODE`: the mode whose events the endpoint takes, `test` or `live`. Default: the secret key's. */
  stripeWebhookMode?: Mode | undefined;
  /** `STRIPE_API_BASE`: where Stripe is. Default https://api.stripe.com; the emulator's address to try things out. */
  stripeApiBase?: string | undefined;
  /** How often one request to Stripe is tried again on connection failures, 409, 429 and 5xx. Default 3; 0 to 10. */
  stripeNetworkRetries?: number | undefined;
  /**
   * `STRIPE_REQUESTS_PER_SECOND`: how many requests all replicas together send to Stripe a second, users' before background
   * work. Default 20 in test mode, 80 in live mode, 1000 with `STRIPE_API_BASE`; Stripe allows 25 and 100. 1 to 10000.
   */
  stripeRequestsPerSecond?: number | undefined;
  /**
   * `STRIPE_REQUESTS_PER_ENDPOINT`: the same of one endpoint, which is a method and a path, whatever object it is of. Default 25,
   * which is what Stripe allows, 10000 with `STRIPE_API_BASE`. 1 to 10000.
   */
  stripeRequestsPerEndpoint?: number | undefined;
  /** How many requests to Stripe one replica has in flight at most. Default 32; 1 to 1000. */
  stripeRequestsInFlight?: number | undefined;
  /** Minutes between two reconciles, which read missed events and, once a day, everything. Default 60; 1 to 1440. */
  reconcileEveryMinutes?: number | undefined;
  /** Days that done work is kept in inbox and outbox: more than the 30 of Stripe's events. Default 35; 31 to 3650. */
  keepDoneDays?: number | undefined;
  /**
   * `KEEP_EVENT_BODIES`: whether what Stripe delivers is kept, compressed, for as long as done work: to look at, since nothing
   * reads it. It holds your customers' names and addresses. Default false; `true` or `false` in the environment.
   */
  keepEventBodies?: boolean | undefined;
  /** `DATABASE_URL`: `file:PATH` or `postgres://…`. Default `file:.tollkeeper/tollkeeper.sqlite`. */
  databaseUrl?: string | undefined;
  /** `APP_URL`: where the app's pages are; users come back there. https in production. */
  appUrl: string;
  /** `ALLOWED_ORIGINS`: further origins that may call the browser routes and be returned to. Default none. */
  allowedOrigins?: readonly string[] | undefined;
  /** `AUTH_ISSUER`, or `AUTH0_DOMAIN` for `https://DOMAIN/`: whose tokens are believed. */
  authIssuer?: string | undefined;
  /** `AUTH_AUDIENCE`: the API's identifier that tokens must be for. Needed with an issuer. */
  authAudience?: string | undefined;
  /** `AUTH_JWKS_URI`: where the issuer's keys are. Default: from its discovery document. */
  authJwksUri?: string | undefined;
  /** Your own sign-in, in place of the issuer. */
  authenticate?: Authenticate | undefined;
  /** `NODE_ENV`: `production` requires https everywhere. Default `development`. */
  environment?: string | undefined;
  /** Path that all routes begin with. Default `/stripe`. */
  basePath?: string | undefined;
  /** Metadata name under which Stripe's customers carry your user's id. Default `auth0_user_id`. */
  userIdMetadataKey?: string | undefined;
  /** Where Stripe's page returns to after payment. Default `APP_URL`. The session's id is added. */
  successUrl?: string | undefined;
  /** Where Stripe's page returns to when the user goes back. Default `APP_URL`. */
  cancelUrl?: string | undefined;
  /** Where the portal returns to. Default `APP_URL`. */
  portalReturnUrl?: string | undefined;
  /** Whether checkout offers a field for promotion codes. Default false. */
  allowPromotionCodes?: boolean | undefined;
  /** Who has access when. Default: 7 days of grace, paid periods are kept. */
  access?: Partial<AccessPolicy> | undefined;
  /** The app's own code, told of what happens. */
  hooks?: Hooks | undefined;
  /** `HOOKS_URL`: where hooks are posted to as well, signed as Standard Webhooks are. https in production. Default: nowhere. */
  hooksUrl?: string | undefined;
  /** `HOOKS_SECRET`: what they are signed with, `whsec_` and base64 of 24 to 64 bytes. Needed with an address. */
  hooksSecret?: string | undefined;
  /** The network towards `hooksUrl`. Default: the global `fetch`. */
  hooksFetch?: typeof fetch | undefined;
  /** Seconds a webhook's signature may be old or early. Default 300; 1 to 3600. */
  webhookToleranceSeconds?: number | undefined;
  /** `METRICS_TOKEN`: who sends it as a bearer token may read `/metrics`. At least 16 characters. Default: nobody may. */
  metricsToken?: string | undefined;
  /** Whether this instance works off the inbox. Default true; false for replicas that only take requests. */
  runWorker?: boolean | undefined;
  /** `LOG_LEVEL`, where no `log` is given. Default `info`. */
  logLevel?: string | undefined;
  /** Where to log, as pino does it. Default: pino on standard output. */
  log?: Logger | undefined;
  /** Makes a span of each webhook, event, hook, reconcile, route and request to Stripe: OpenTelemetry's tracer. Default: none. */
  tracer?: Tracer | undefined;
  /** The network towards Stripe and the issuer. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /** Time and chance, for tests and simulations. Default: the machine's. */
  runtime?: Partial<Omit<Runtime, "log">> | undefined;
}

export interface Config {
  mode: Mode;
  plans: Plans;
  stripe: {
    secretKey: string;
    publishableKey: string;
    webhookSecrets: readonly string[];
    apiBase: string | undefined;
    networkRetries: number;
    requestsPerSecond: number;
    requestsPerEndpoint: number;
    requestsInFlight: number;
  };
  reconcileEveryMs: number;
  keepDoneMs: number;
  keepEventBodies: boolean;
  databaseUrl: string;
  auth: { issuer: string; audience: string; jwksUri: string | undefined } | { authenticate: Authenticate };
  basePath: string;
  userIdMetadataKey: string;
  urls: UrlPolicy;
  allowPromotionCodes: boolean;
  access: AccessPolicy;
  webhookToleranceMs: number;
  metricsToken: string | null;
  hooks: { url: string; secret: string } | null;
}

export const DEFAULT_DATABASE_URL: string = "file:.tollkeeper/tollkeeper.sqlite";
export const DEFAULT_BASE_PATH: string = "/stripe";
export const DEFAULT_PORT: number = 4242;
export const DEFAULT_HOST: string = "127.0.0.1";
const DEFAULT_USER_ID_METADATA_KEY = "auth0_user_id";
const DEFAULT_WEBHOOK_TOLERANCE_SECONDS = 300;
const MAX_WEBHOOK_TOLERANCE_SECONDS = 3600;
const DEFAULT_NETWORK_RETRIES = 3;
const MAX_NETWORK_RETRIES = 10;
const DEFAULT_REQUESTS_PER_SECOND: Record<Mode, number> = { test: 20, live: 80 };
const DEFAULT_REQUESTS_PER_ENDPOINT = 25;
const MAX_REQUESTS_PER_SECOND = 10_000;
/** Where Stripe is the emulator, nobody limits it. */
const EMULATOR_REQUESTS_PER_SECOND = 1_000;
const DEFAULT_REQUESTS_IN_FLIGHT = 32;
const DEFAULT_RECONCILE_EVERY_MINUTES = 60;
const DEFAULT_KEEP_DONE_DAYS = 35;
const MIN_TOKEN_LENGTH = 16;
const MAX_GRACE_DAYS = 90;
const MAX_METADATA_KEY_LENGTH = 40;

/** The options that the environment gives; plans and code come from elsewhere. Blank counts as absent. */
export function optionsFromEnvironment(
  env: Readonly<Record<string, string | undefined>>,
): Omit<TollkeeperOptions, "plans"> {
  const get = (name: string): string | undefined => env[name]?.trim() || undefined;
  const list = (name: string): string[] | undefined =>
    get(name)
      ?.split(",")
      .map((part) => part.trim());
  // What is neither is refused with the rest, by its own words.
  const flag = (name: string): boolean | undefined =>
    ({ true: true, false: false })[get(name) ?? ""] ?? (get(name) as boolean | undefined);
  const auth0 = get("AUTH0_DOMAIN");
  return {
    stripeSecretKey: get("STRIPE_SECRET_KEY") ?? "",
    stripePublishableKey: get("STRIPE_PUBLISHABLE_KEY") ?? "",
    stripeWebhookSecrets: list("STRIPE_WEBHOOK_SECRET") ?? [],
    stripeWebhookMode: get("STRIPE_WEBHOOK_MODE") as Mode | undefined,
    stripeApiBase: get("STRIPE_API_BASE"),
    stripeRequestsPerSecond: get("STRIPE_REQUESTS_PER_SECOND") ? Number(get("STRIPE_REQUESTS_PER_SECOND")) : undefined,
    stripeRequestsPerEndpoint: get("STRIPE_REQUESTS_PER_ENDPOINT")
      ? Number(get("STRIPE_REQUESTS_PER_ENDPOINT"))
      : undefined,
    keepEventBodies: flag("KEEP_EVENT_BODIES"),
    databaseUrl: get("DATABASE_URL"),
    appUrl: get("APP_URL") ?? "",
    allowedOrigins: list("ALLOWED_ORIGINS"),
    authIssuer: get("AUTH_ISSUER") ?? (auth0 && `https://${auth0.replace(/^https?:\/\//, "")}`),
    authAudience: get("AUTH_AUDIENCE"),
    authJwksUri: get("AUTH_JWKS_URI"),
    environment: get("NODE_ENV"),
    logLevel: get("LOG_LEVEL"),
    metricsToken: get("METRICS_TOKEN"),
    hooksUrl: get("HOOKS_URL"),
    hooksSecret: get("HOOKS_SECRET"),
  };
}

/** Checks everything at once. Throws `ConfigError` with a line for each problem, naming the value and what to do. */
export function resolveConfig(options: TollkeeperOptions): Config {
  const problems: string[] = [];
  const mode = checkKeys(options, problems);
  checkWebhookSecrets(options.stripeWebhookSecrets, problems);
  const requireHttps = options.environment === "production";
  const urls = resolveUrls(options, requireHttps, problems);
  const auth = resolveAuth(options, problems);
  const numbers = resolveNumbers(options, problems);
  const basePath = options.basePath ?? DEFAULT_BASE_PATH;
  if (!/^(\/[\w-]+)+$/.test(basePath)) problems.push(`basePath "${basePath}" must look like "/stripe"`);
  const userIdMetadataKey = options.userIdMetadataKey ?? DEFAULT_USER_ID_METADATA_KEY;
  if (userIdMetadataKey === "" || userIdMetadataKey.length > MAX_METADATA_KEY_LENGTH)
    problems.push(`userIdMetadataKey must have 1 to ${MAX_METADATA_KEY_LENGTH} characters`);
  const databaseUrl = options.databaseUrl ?? DEFAULT_DATABASE_URL;
  if (!/^(file:.+|postgres(ql)?:\/\/.+)$/.test(databaseUrl))
    problems.push('DATABASE_URL must be "file:PATH" or "postgres://USER:PASSWORD@HOST/DATABASE"');
  const hooks = resolveHooks(options, requireHttps, problems);
  if (options.metricsToken !== undefined && options.metricsToken.length < MIN_TOKEN_LENGTH)
    problems.push(`METRICS_TOKEN must have at least ${MIN_TOKEN_LENGTH} characters: it is a password`);
  const keepEventBodies = options.keepEventBodies ?? false;
  if (typeof keepEventBodies !== "boolean")
    problems.push(`KEEP_EVENT_BODIES "${String(keepEventBodies)}" must be true or false`);
  if (!options.plans?.length) problems.push("plans are missing: define at least one with definePlans");
  if (problems.length > 0 || !auth) throw new ConfigError(problems);
  return {
    mode,
    plans: options.plans,
    stripe: {
      secretKey: options.stripeSecretKey,
      publishableKey: options.stripePublishableKey,
      webhookSecrets: options.stripeWebhookSecrets,
      apiBase: options.stripeApiBase,
      networkRetries: numbers.networkRetries,
      requestsPerSecond:
        numbers.requestsPerSecond ??
        (options.stripeApiBase === undefined ? DEFAULT_REQUESTS_PER_SECOND[mode] : EMULATOR_REQUESTS_PER_SECOND),
      requestsPerEndpoint:
        numbers.requestsPerEndpoint ??
        (options.stripeApiBase === undefined ? DEFAULT_REQUESTS_PER_ENDPOINT : MAX_REQUESTS_PER_SECOND),
      requestsInFlight: numbers.requestsInFlight,
    },
    reconcileEveryMs: numbers.reconcileEveryMinutes * 60_000,
    keepDoneMs: numbers.keepDoneDays * 86_400_000,
    keepEventBodies,
    databaseUrl,
    auth,
    basePath,
    userIdMetadataKey,
    urls,
    allowPromotionCodes: options.allowPromotionCodes ?? false,
    access: numbers.access,
    webhookToleranceMs: numbers.webhookToleranceMs,
    metricsToken: options.metricsToken ?? null,
    hooks,
  };
}

function checkKeys(options: TollkeeperOptions, problems: string[]): Mode {
  const secret = /^(?:sk|rk)_(test|live)_\w+$/.exec(options.stripeSecretKey);
  const publishable = /^pk_(test|live)_\w+$/.exec(options.stripePublishableKey);
  if (options.stripeSecretKey === "")
    problems.push("STRIPE_SECRET_KEY is missing: copy it from Stripe's dashboard, Developers, API keys");
  else if (options.stripeSecretKey.startsWith("pk_"))
    problems.push("STRIPE_SECRET_KEY holds a publishable key (pk_…): use the secret key (sk_… or rk_…)");
  else if (!secret) problems.push("STRIPE_SECRET_KEY must begin with sk_test_, sk_live_, rk_test_ or rk_live_");
  if (options.stripePublishableKey === "")
    problems.push("STRIPE_PUBLISHABLE_KEY is missing: copy it from Stripe's dashboard, Developers, API keys");
  else if (/^[sr]k_/.test(options.stripePublishableKey))
    problems.push(
      "STRIPE_PUBLISHABLE_KEY holds a secret key, which browsers would see: use the one that begins with pk_",
    );
  else if (!publishable) problems.push("STRIPE_PUBLISHABLE_KEY must begin with pk_test_ or pk_live_");
  const mode = secret?.[1] === "live" ? "live" : "test";
  if (secret && publishable && publishable[1] !== mode)
    problems.push(
      `STRIPE_PUBLISHABLE_KEY is a ${publishable[1]} key and STRIPE_SECRET_KEY a ${mode} key: take both from one mode`,
    );
  checkModes(options, mode, secret !== null, problems);
  return mode;
}

function checkModes(options: TollkeeperOptions, mode: Mode, known: boolean, problems: string[]): void {
  const { stripeWebhookMode, stripeApiBase } = options;
  if (stripeWebhookMode !== undefined && stripeWebhookMode !== "test" && stripeWebhookMode !== "live")
    problems.push(`STRIPE_WEBHOOK_MODE is "${String(stripeWebhookMode)}": it must be test or live`);
  else if (known && stripeWebhookMode !== undefined && stripeWebhookMode !== mode)
    problems.push(
      `STRIPE_WEBHOOK_MODE is ${stripeWebhookMode} but STRIPE_SECRET_KEY is a ${mode} key: use keys and endpoint of one mode`,
    );
  if (stripeApiBase === undefined) return;
  if (!URL.canParse(stripeApiBase) || !/^https?:/.test(stripeApiBase))
    problems.push(`STRIPE_API_BASE "${stripeApiBase}" must be a URL such as http://127.0.0.1:12111`);
  if (known && mode === "live")
    problems.push("STRIPE_API_BASE is set with a live key: unset it, or use a test key with the emulator");
}

function checkWebhookSecrets(secrets: readonly string[], problems: string[]): void {
  if (secrets.length === 0)
    problems.push(
      "STRIPE_WEBHOOK_SECRET is missing: copy the endpoint's signing secret (whsec_…) from Stripe's dashboard",
    );
  // A blank secret would let anybody sign: HMAC with an empty key is no secret at all.
  else if (secrets.some((secret) => secret.trim() === ""))
    problems.push("STRIPE_WEBHOOK_SECRET has a blank entry: remove it, since anybody could sign with it");
  else if (secrets.some((secret) => !/^whsec_\S{8,}$/.test(secret)))
    problems.push("STRIPE_WEBHOOK_SECRET must begin with whsec_ (several are separated by commas)");
}

function resolveUrls(options: TollkeeperOptions, requireHttps: boolean, problems: string[]): UrlPolicy {
  const { appUrl } = options;
  const origins = [...(options.allowedOrigins ?? [])];
  for (const origin of origins)
    if (!URL.canParse(origin) || new URL(origin).origin !== origin)
      problems.push(`ALLOWED_ORIGINS has "${origin}": write origins alone, such as https://app.example.com`);
    else if (requireHttps && !origin.startsWith("https:"))
      problems.push(`ALLOWED_ORIGINS has "${origin}" in production: use https`);
  if (appUrl === "")
    problems.push("APP_URL is missing: say where the app's pages are, such as https://app.example.com");
  else if (!URL.canParse(appUrl) || !/^https?:/.test(appUrl))
    problems.push(`APP_URL "${appUrl}" must be a URL such as https://app.example.com`);
  else {
    if (requireHttps && !appUrl.startsWith("https:")) problems.push(`APP_URL "${appUrl}" in production: use https`);
    origins.unshift(new URL(appUrl).origin);
  }
  const resolved = (name: "successUrl" | "cancelUrl" | "portalReturnUrl"): string => {
    const url = options[name];
    if (url === undefined) return appUrl;
    const problem = checkReturnUrl(url, origins, requireHttps);
    if (problem) problems.push(`${name} "${url}" can't be used (${problem}): it must be on APP_URL or ALLOWED_ORIGINS`);
    return url;
  };
  return {
    allowedOrigins: origins,
    requireHttps,
    successUrl: withSessionId(resolved("successUrl")),
    cancelUrl: resolved("cancelUrl"),
    portalReturnUrl: resolved("portalReturnUrl"),
  };
}

function resolveHooks(options: TollkeeperOptions, requireHttps: boolean, problems: string[]): Config["hooks"] {
  const { hooksUrl: url, hooksSecret: secret } = options;
  if (url === undefined) {
    if (secret !== undefined) problems.push("HOOKS_SECRET is set without HOOKS_URL: say where hooks are posted to");
    return null;
  }
  if (!URL.canParse(url) || !/^https?:/.test(url)) problems.push(`HOOKS_URL "${url}" must be a URL`);
  else if (requireHttps && !url.startsWith("https:")) problems.push(`HOOKS_URL "${url}" in production: use https`);
  const bytes = /^whsec_[A-Za-z0-9+/]+=*$/.test(secret ?? "")
    ? Buffer.from((secret ?? "").slice(6), "base64").length
    : 0;
  if (bytes < 24 || bytes > 64)
    problems.push("HOOKS_SECRET must be whsec_ and base64 of 24 to 64 bytes: openssl rand -base64 32 makes some");
  return { url, secret: secret ?? "" };
}

function resolveAuth(options: TollkeeperOptions, problems: string[]): Config["auth"] | null {
  const { authenticate, authIssuer, authAudience, authJwksUri } = options;
  if (authenticate && authIssuer)
    problems.push("authenticate and AUTH_ISSUER are both given: choose one way to sign in");
  if (authenticate) return { authenticate };
  if (!authIssuer) problems.push("AUTH_ISSUER or AUTH0_DOMAIN is missing: say whose tokens to believe");
  else if (!URL.canParse(authIssuer)) problems.push(`AUTH_ISSUER "${authIssuer}" must be a URL`);
  else if (options.environment === "production" && !authIssuer.startsWith("https:"))
    problems.push(`AUTH_ISSUER "${authIssuer}" in production: use https`);
  if (!authAudience) problems.push("AUTH_AUDIENCE is missing: without it a token for another API would be taken");
  if (authJwksUri !== undefined && !URL.canParse(authJwksUri))
    problems.push(`AUTH_JWKS_URI "${authJwksUri}" must be a URL`);
  else if (options.environment === "production" && authJwksUri?.startsWith("http:"))
    problems.push(`AUTH_JWKS_URI "${authJwksUri}" in production: use https`);
  return { issuer: authIssuer ?? "", audience: authAudience ?? "", jwksUri: authJwksUri };
}

function resolveNumbers(options: TollkeeperOptions, problems: string[]) {
  const access = { ...DEFAULT_ACCESS_POLICY, ...options.access };
  const { pastDueGraceDays } = access;
  if (!Number.isFinite(pastDueGraceDays) || pastDueGraceDays < 0 || pastDueGraceDays > MAX_GRACE_DAYS)
    problems.push(`access.pastDueGraceDays ${pastDueGraceDays} must be from 0 to ${MAX_GRACE_DAYS}`);
  const tolerance = options.webhookToleranceSeconds ?? DEFAULT_WEBHOOK_TOLERANCE_SECONDS;
  if (!Number.isInteger(tolerance) || tolerance < 1 || tolerance > MAX_WEBHOOK_TOLERANCE_SECONDS)
    problems.push(
      `webhookToleranceSeconds ${tolerance} must be a whole number from 1 to ${MAX_WEBHOOK_TOLERANCE_SECONDS}`,
    );
  const networkRetries = options.stripeNetworkRetries ?? DEFAULT_NETWORK_RETRIES;
  if (!Number.isInteger(networkRetries) || networkRetries < 0 || networkRetries > MAX_NETWORK_RETRIES)
    problems.push(`stripeNetworkRetries ${networkRetries} must be a whole number from 0 to ${MAX_NETWORK_RETRIES}`);
  const whole = <Value extends number | undefined>(name: string, value: Value, min: number, max: number): Value => {
    if (value !== undefined && (!Number.isInteger(value) || value < min || value > max))
      problems.push(`${name} ${value} must be a whole number from ${min} to ${max}`);
    return value;
  };
  return {
    access,
    webhookToleranceMs: tolerance * 1000,
    networkRetries,
    requestsPerSecond: whole("STRIPE_REQUESTS_PER_SECOND", options.stripeRequestsPerSecond, 1, MAX_REQUESTS_PER_SECOND),
    requestsPerEndpoint: whole(
      "STRIPE_REQUESTS_PER_ENDPOINT",
      options.stripeRequestsPerEndpoint,
      1,
      MAX_REQUESTS_PER_SECOND,
    ),
    requestsInFlight: whole(
      "stripeRequestsInFlight",
      options.stripeRequestsInFlight ?? DEFAULT_REQUESTS_IN_FLIGHT,
      1,
      1_000,
    ),
    reconcileEveryMinutes: whole(
      "reconcileEveryMinutes",
      options.reconcileEveryMinutes ?? DEFAULT_RECONCILE_EVERY_MINUTES,
      1,
      1_440,
    ),
    keepDoneDays: whole("keepDoneDays", options.keepDoneDays ?? DEFAULT_KEEP_DONE_DAYS, 31, 3_650),
  };
}
