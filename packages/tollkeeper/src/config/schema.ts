/**
 * Defines the schema of the options: one field per option, each with its own check. The module relations.ts checks combinations
 * of several options.
 */
import type { z } from "zod";
import { parseDatabaseUrl } from "../database-url.ts";
import type { Authenticate } from "../auth/authenticate.ts";
import type { Hooks } from "../domain/hooks.ts";
import { APP_NAME } from "../domain/plans.ts";
import { MODES } from "../domain/records.ts";
import { SIGNING_ALGORITHMS } from "../domain/signing-algorithms.ts";
import type { TollkeeperOptions } from "../options.ts";
import type { Logger, Runtime } from "../runtime.ts";
import type { Tracer } from "../tracing.ts";
import { ACCESS_FIELD } from "./access-field.ts";
import {
  DEFAULT_BASE_PATH,
  DEFAULT_DATABASE_URL,
  DEFAULT_KEEP_DONE_DAYS,
  DEFAULT_NETWORK_RETRIES,
  DEFAULT_RECONCILE_EVERY_MINUTES,
  DEFAULT_REQUESTS_IN_FLIGHT,
  DEFAULT_WEBHOOK_TOLERANCE_SECONDS,
  HOOKS_SECRET_BYTES,
  MAX_METADATA_KEY_LENGTH,
  MIN_TOKEN_LENGTH,
} from "./defaults.ts";
import {
  booleanField,
  check,
  checkEach,
  checkHooks,
  choiceField,
  functionField,
  listField,
  objectField,
  plansField,
  secretField,
  stringField,
  wholeNumberField,
  type Rule,
} from "./fields.ts";
import { nameOf, show } from "./problem-text.ts";

const ALGORITHMS_MISSING = `${nameOf("authAlgorithms")} is empty: name at least one algorithm or leave the option out`;
const LOG_LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

const COPY_KEY = "is missing: copy it from Stripe's dashboard, Developers, API keys";

const secretKeyRule: Rule<string> = (key) => {
  if (key === "") return COPY_KEY;
  if (key.startsWith("pk_")) return "is a publishable key (pk_…): use the secret key (sk_… or rk_…)";
  if (/^(sk|rk)_(test|live)_\w+$/.test(key)) return null;
  return "must begin with sk_test_, sk_live_, rk_test_ or rk_live_";
};

const publishableKeyRule: Rule<string> = (key) => {
  if (key === "") return COPY_KEY;
  if (/^[sr]k_/.test(key)) return "is a secret key, and browsers would see it: use the publishable key (pk_…)";
  return /^pk_(test|live)_\w+$/.test(key) ? null : "must begin with pk_test_ or pk_live_";
};

const webhookSecretsRule: Rule<readonly string[]> = (secrets) => {
  if (secrets.length === 0)
    return "is missing: copy the endpoint's signing secret (whsec_…) from Stripe's dashboard, Developers, Webhooks";
  // HMAC accepts an empty key, so an empty secret must be rejected here. With an empty secret, anyone could sign webhooks.
  if (secrets.some((secret) => secret.trim() === ""))
    return "has a blank entry: remove it, because anyone could sign with it";
  if (secrets.some((secret) => !/^whsec_\S{8,}$/.test(secret)))
    return "must begin with whsec_ (separate several secrets with commas)";
  return null;
};

const databaseRule: Rule<string> = (url) => {
  const parsed = parseDatabaseUrl(url);
  return "problem" in parsed ? parsed.problem : null;
};

const directDatabaseRule: Rule<string> = (url) => {
  const parsed = parseDatabaseUrl(url);
  if ("dialect" in parsed && parsed.dialect === "postgres") return null;
  const isPostgres = /^postgres(ql)?:/.test(url);
  return "problem" in parsed && isPostgres ? parsed.problem : 'must be "postgres://USER:PASSWORD@HOST/DATABASE"';
};

const tokenRule: Rule<string> = (token) =>
  token.length >= MIN_TOKEN_LENGTH
    ? null
    : `must have at least ${MIN_TOKEN_LENGTH} characters, because it is a password`;

const appUrlRule: Rule<string> = (url) => {
  if (url === "") return "is missing: set it to the URL of the app's pages, such as https://app.example.com";
  return isHttpUrl(url) ? credentialsRule(url) : `${show(url)} must be a URL such as https://app.example.com`;
};

const originRule: Rule<string> = (origin) =>
  URL.canParse(origin) && new URL(origin).origin === origin
    ? null
    : `has ${show(origin)}: use an origin without a path, such as https://app.example.com`;

const urlRule: Rule<string> = (url) =>
  isHttpUrl(url) ? credentialsRule(url) : `${show(url)} must be a URL that begins with https:// or http://`;

/** Refuses a user name or password in a URL. `fetch` refuses such URLs, and the password would appear in logs and errors. */
const credentialsRule: Rule<string> = (url) => {
  const { username, password } = new URL(url);
  return username === "" && password === ""
    ? null
    : `${show(url)} must not contain a user name or password: remove the part before the @`;
};

const hooksSecretRule: Rule<string> = (secret) => {
  const { min, max } = HOOKS_SECRET_BYTES;
  const base64 = /^whsec_([A-Za-z0-9+/]+=*)$/.exec(secret)?.[1] ?? "";
  const bytes = Buffer.from(base64, "base64").length;
  if (bytes >= min && bytes <= max) return null;
  return `must be whsec_ and base64 of ${min} to ${max} bytes: generate it with openssl rand -base64 32`;
};

function isHttpUrl(url: string): boolean {
  return URL.canParse(url) && /^https?:/.test(url);
}

/** The fields of the options' schema, by the name of the option that each field checks. */
export const OPTION_FIELDS = {
  plans: plansField(),

  stripeSecretKey: secretField("stripeSecretKey", secretKeyRule),
  stripePublishableKey: secretField("stripePublishableKey", publishableKeyRule),
  stripeWebhookSecrets: check("stripeWebhookSecrets", listField("stripeWebhookSecrets"), webhookSecretsRule),
  stripeWebhookMode: choiceField(nameOf("stripeWebhookMode"), MODES).optional(),
  stripeApiBase: stringField("stripeApiBase", (url) =>
    isHttpUrl(url) ? credentialsRule(url) : `${show(url)} must be a URL such as http://127.0.0.1:12111`,
  ).optional(),
  stripeNetworkRetries: wholeNumberField("stripeNetworkRetries").default(DEFAULT_NETWORK_RETRIES),
  stripeRequestsPerSecond: wholeNumberField("stripeRequestsPerSecond").optional(),
  stripeRequestsPerEndpoint: wholeNumberField("stripeRequestsPerEndpoint").optional(),
  stripeRequestsInFlight: wholeNumberField("stripeRequestsInFlight").default(DEFAULT_REQUESTS_IN_FLIGHT),

  stripeAccountChanged: stringField("stripeAccountChanged", (id) =>
    /^acct_\w+$/.test(id) ? null : `${show(id)} must be the id of a Stripe account (acct_…)`,
  ).optional(),

  databaseUrl: secretField("databaseUrl", databaseRule).default(DEFAULT_DATABASE_URL),
  databaseDirectUrl: secretField("databaseDirectUrl", directDatabaseRule).optional(),
  reconcileEveryMinutes: wholeNumberField("reconcileEveryMinutes").default(DEFAULT_RECONCILE_EVERY_MINUTES),
  keepDoneDays: wholeNumberField("keepDoneDays").default(DEFAULT_KEEP_DONE_DAYS),
  keepEventBodies: booleanField(nameOf("keepEventBodies")).default(false),

  appUrl: stringField("appUrl", appUrlRule),
  allowedOrigins: checkEach("allowedOrigins", listField("allowedOrigins"), originRule).default([]),
  corsCredentials: booleanField(nameOf("corsCredentials")).default(false),
  successUrl: stringField("successUrl").optional(),
  cancelUrl: stringField("cancelUrl").optional(),
  portalReturnUrl: stringField("portalReturnUrl").optional(),
  basePath: stringField("basePath", (path) =>
    /^(\/[\w-]+)+$/.test(path) ? null : `${show(path)} must be a path such as "/stripe"`,
  ).default(DEFAULT_BASE_PATH),

  authIssuer: stringField("authIssuer", (url) => (url === "" ? null : urlRule(url))).optional(),
  authAudience: stringField("authAudience").optional(),
  authClientIds: checkEach("authClientIds", listField("authClientIds"), (id) =>
    id === "" ? "has a blank entry: remove it" : null,
  ).optional(),
  authAlgorithms: checkEach("authAlgorithms", listField("authAlgorithms").min(1, ALGORITHMS_MISSING), (name) =>
    SIGNING_ALGORITHMS.includes(name) ? null : `has ${show(name)}: use ${SIGNING_ALGORITHMS.join(", ")}`,
  ).optional(),
  authJwksUri: stringField("authJwksUri", urlRule).optional(),
  authenticate: functionField<Authenticate>("authenticate").optional(),
  app: stringField("app", (name) => (APP_NAME.test(name) ? null : `${show(name)} must match ${APP_NAME}`)).optional(),
  userIdMetadataKey: stringField("userIdMetadataKey", (key) =>
    key !== "" && key.length <= MAX_METADATA_KEY_LENGTH
      ? null
      : `${show(key)} must have 1 to ${MAX_METADATA_KEY_LENGTH} characters`,
  ).optional(),

  allowPromotionCodes: booleanField("allowPromotionCodes").default(false),
  access: ACCESS_FIELD.optional(),

  hooks: checkHooks(objectField<Hooks>("hooks")).optional(),
  hooksUrl: stringField("hooksUrl", urlRule).optional(),
  hooksSecret: secretField("hooksSecret", hooksSecretRule).optional(),
  hooksFetch: functionField<typeof fetch>("hooksFetch").optional(),

  webhookToleranceSeconds: wholeNumberField("webhookToleranceSeconds").default(DEFAULT_WEBHOOK_TOLERANCE_SECONDS),
  metricsToken: secretField("metricsToken", tokenRule).optional(),
  workToken: secretField("workToken", tokenRule).optional(),
  runWorker: booleanField("runWorker").optional(),
  environment: stringField("environment").optional(),
  logLevel: stringField("logLevel", (level) =>
    LOG_LEVELS.includes(level) ? null : `${show(level)} must be one of ${LOG_LEVELS.join(", ")}`,
  ).optional(),
  log: objectField<Logger>("log").optional(),
  tracer: objectField<Tracer>("tracer").optional(),
  fetch: functionField<typeof fetch>("fetch").optional(),
  runtime: objectField<Partial<Omit<Runtime, "log">>>("runtime").optional(),
} satisfies { [Option in keyof Required<TollkeeperOptions>]: z.ZodType };
