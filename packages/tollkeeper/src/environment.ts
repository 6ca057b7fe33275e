/** Defines the environment variables of the service: their names, and the options that they set. */
import type { TollkeeperOptions } from "./options.ts";

/**
 * Names of the environment variables, by the option that each variable sets. The environment variable `AUTH0_DOMAIN` can also
 * set the option `authIssuer`.
 */
export const VARIABLES = {
  stripeSecretKey: "STRIPE_SECRET_KEY",
  stripePublishableKey: "STRIPE_PUBLISHABLE_KEY",
  stripeWebhookSecrets: "STRIPE_WEBHOOK_SECRET",
  stripeWebhookMode: "STRIPE_WEBHOOK_MODE",
  stripeApiBase: "STRIPE_API_BASE",
  stripeRequestsPerSecond: "STRIPE_REQUESTS_PER_SECOND",
  stripeRequestsPerEndpoint: "STRIPE_REQUESTS_PER_ENDPOINT",
  stripeAccountChanged: "STRIPE_ACCOUNT_CHANGED",
  databaseUrl: "DATABASE_URL",
  databaseDirectUrl: "DATABASE_DIRECT_URL",
  keepEventBodies: "KEEP_EVENT_BODIES",
  appUrl: "APP_URL",
  allowedOrigins: "ALLOWED_ORIGINS",
  corsCredentials: "CORS_CREDENTIALS",
  app: "TOLLKEEPER_APP",
  authIssuer: "AUTH_ISSUER",
  authAudience: "AUTH_AUDIENCE",
  authClientIds: "AUTH_CLIENT_IDS",
  authAlgorithms: "AUTH_ALGORITHMS",
  authJwksUri: "AUTH_JWKS_URI",
  hooksUrl: "HOOKS_URL",
  hooksSecret: "HOOKS_SECRET",
  metricsToken: "METRICS_TOKEN",
  workToken: "WORK_TOKEN",
  environment: "NODE_ENV",
  logLevel: "LOG_LEVEL",
} as const satisfies { [Name in keyof TollkeeperOptions]?: string };

type Option = keyof typeof VARIABLES;
export type Environment = Readonly<Record<string, string | undefined>>;

/**
 * Returns the options that the environment variables set. A blank variable counts as absent. The function that reads the
 * environment variables does not check their values. If an environment variable has a value of the wrong type, its text is
 * kept, so that `createTollkeeper` reports it.
 */
export function optionsFromEnvironment(env: Environment): Omit<TollkeeperOptions, "plans"> {
  const text = (option: Option): string | undefined => read(env, VARIABLES[option]);
  const auth0Domain = read(env, "AUTH0_DOMAIN");
  return {
    stripeSecretKey: text("stripeSecretKey") ?? "",
    stripePublishableKey: text("stripePublishableKey") ?? "",
    stripeWebhookSecrets: toList(text("stripeWebhookSecrets")) ?? [],
    stripeWebhookMode: text("stripeWebhookMode") as TollkeeperOptions["stripeWebhookMode"],
    stripeApiBase: text("stripeApiBase"),
    stripeRequestsPerSecond: toNumber(text("stripeRequestsPerSecond")),
    stripeRequestsPerEndpoint: toNumber(text("stripeRequestsPerEndpoint")),
    stripeAccountChanged: text("stripeAccountChanged"),
    keepEventBodies: toBoolean(text("keepEventBodies")),
    databaseUrl: text("databaseUrl"),
    databaseDirectUrl: text("databaseDirectUrl"),
    appUrl: text("appUrl") ?? "",
    allowedOrigins: toList(text("allowedOrigins")),
    corsCredentials: toBoolean(text("corsCredentials")),
    app: text("app"),
    authIssuer: text("authIssuer") ?? (auth0Domain && `https://${auth0Domain.replace(/^https?:\/\//, "")}`),
    authAudience: text("authAudience"),
    authClientIds: toList(text("authClientIds")),
    authAlgorithms: toList(text("authAlgorithms")),
    authJwksUri: text("authJwksUri"),
    environment: text("environment"),
    logLevel: text("logLevel"),
    metricsToken: text("metricsToken"),
    workToken: text("workToken"),
    hooksUrl: text("hooksUrl"),
    hooksSecret: text("hooksSecret"),
  };
}

function read(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

function toList(text: string | undefined): string[] | undefined {
  return text?.split(",").map((part) => part.trim());
}

function toNumber(text: string | undefined): number | undefined {
  const number = Number(text);
  return Number.isNaN(number) ? (text as number | undefined) : number;
}

function toBoolean(text: string | undefined): boolean | undefined {
  return text === "true" || text === "false" ? text === "true" : (text as boolean | undefined);
}
