import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DEFAULT_ACCESS_POLICY } from "../../src/domain/access.ts";
import { findMisspeltVariables } from "../../src/config/misspelt-variables.ts";
import { resolveConfig } from "../../src/config/resolve-config.ts";
import { OPTION_FIELDS } from "../../src/config/schema.ts";
import { optionsFromEnvironment, VARIABLES } from "../../src/environment.ts";
import { ConfigError } from "../../src/errors.ts";
import type { TollkeeperOptions } from "../../src/options.ts";
import { PLANS } from "../../../../test/support/plans.ts";

const ENV = {
  STRIPE_SECRET_KEY: "sk_test_abc123",
  STRIPE_PUBLISHABLE_KEY: "pk_test_abc123",
  STRIPE_WEBHOOK_SECRET: "whsec_abcdefgh",
  APP_URL: "https://app.example.com",
  AUTH0_DOMAIN: "example.eu.auth0.com",
  AUTH_AUDIENCE: "https://api.example.com",
};
const resolve = (env: Record<string, string | undefined> = {}, options: Partial<TollkeeperOptions> = {}) =>
  resolveConfig({ ...optionsFromEnvironment({ ...ENV, ...env }), plans: PLANS, ...options });

/**
 * Every option. The TypeScript compiler reports an error if the list of options lacks an option or contains an unknown option.
 */
const EVERY_OPTION: Record<keyof TollkeeperOptions, true> = {
  plans: true,
  stripeSecretKey: true,
  stripePublishableKey: true,
  stripeWebhookSecrets: true,
  stripeWebhookMode: true,
  stripeApiBase: true,
  stripeNetworkRetries: true,
  stripeRequestsPerSecond: true,
  stripeRequestsPerEndpoint: true,
  stripeRequestsInFlight: true,
  stripeAccountChanged: true,
  databaseUrl: true,
  databaseDirectUrl: true,
  reconcileEveryMinutes: true,
  keepDoneDays: true,
  keepEventBodies: true,
  appUrl: true,
  allowedOrigins: true,
  corsCredentials: true,
  successUrl: true,
  cancelUrl: true,
  portalReturnUrl: true,
  basePath: true,
  authIssuer: true,
  authAudience: true,
  authClientIds: true,
  authAlgorithms: true,
  authJwksUri: true,
  authenticate: true,
  app: true,
  userIdMetadataKey: true,
  allowPromotionCodes: true,
  access: true,
  hooks: true,
  hooksUrl: true,
  hooksSecret: true,
  hooksFetch: true,
  webhookToleranceSeconds: true,
  metricsToken: true,
  workToken: true,
  runWorker: true,
  environment: true,
  logLevel: true,
  log: true,
  tracer: true,
  fetch: true,
  runtime: true,
};
const OPTION_NAMES = Object.keys(EVERY_OPTION) as (keyof TollkeeperOptions)[];

test("the configuration schema has exactly the options of TollkeeperOptions", () => {
  expect(Object.keys(OPTION_FIELDS)).toEqual(OPTION_NAMES);
});

test("the documentation lists all options of TollkeeperOptions with their environment variables", () => {
  const page = readFileSync(new URL("../../../../docs/stripe_configuration.md", import.meta.url), "utf8");
  const table = /<!-- options -->([\s\S]*)<!-- \/options -->/.exec(page)?.[1] ?? "";
  const rows = [...table.matchAll(/^\| `(\w+)` +\| (?:`(\w+)`[^|]*|-) +\| [^|]+ \| [^|]+ \|$/gm)];
  const variables: Partial<Record<string, string>> = VARIABLES;
  expect(rows.map(([, option, variable]) => [option, variable])).toEqual(
    OPTION_NAMES.map((option) => [option, variables[option]]),
  );
});

test("an environment with only the required variables gets all defaults", () => {
  expect(resolve()).toEqual({
    mode: "test",
    plans: PLANS,
    stripe: {
      secretKey: "sk_test_abc123",
      publishableKey: "pk_test_abc123",
      webhookSecrets: ["whsec_abcdefgh"],
      apiBase: undefined,
      accountChangedTo: null,
      networkRetries: 3,
      requestsPerSecond: 20,
      requestsPerEndpoint: 25,
      requestsInFlight: 32,
    },
    reconcileEveryMs: 3_600_000,
    keepDoneMs: 35 * 86_400_000,
    keepEventBodies: false,
    databaseUrl: "file:.tollkeeper/tollkeeper.sqlite",
    databaseDirectUrl: undefined,
    auth: { issuer: "https://example.eu.auth0.com", audience: "https://api.example.com", jwksUri: undefined },
    basePath: "/stripe",
    userIdMetadataKey: "auth0_user_id",
    urls: {
      allowedOrigins: ["https://app.example.com"],
      requireHttps: false,
      successUrl: "https://app.example.com/?session_id={CHECKOUT_SESSION_ID}",
      cancelUrl: "https://app.example.com/",
      portalReturnUrl: "https://app.example.com/",
    },
    corsCredentials: false,
    allowPromotionCodes: false,
    access: DEFAULT_ACCESS_POLICY,
    webhookToleranceMs: 300_000,
    metricsToken: null,
    workToken: null,
    hooks: null,
  });
});

test("several webhook secrets are accepted during a rotation", () => {
  const config = resolve({ STRIPE_WEBHOOK_SECRET: "whsec_abcdefgh, whsec_ijklmnop" });
  expect(config.stripe.webhookSecrets).toEqual(["whsec_abcdefgh", "whsec_ijklmnop"]);
});

test("the default request limits depend on the mode (test or live) and on whether the emulator replaces Stripe", () => {
  const limits = (env: object) => {
    const { requestsPerSecond, requestsPerEndpoint } = resolve({ ...env }).stripe;
    return [requestsPerSecond, requestsPerEndpoint];
  };
  expect(limits(LIVE())).toEqual([80, 25]);
  expect(limits({ STRIPE_API_BASE: "http://127.0.0.1:12111" })).toEqual([1_000, 10_000]);
  expect(limits({ STRIPE_REQUESTS_PER_SECOND: "7", STRIPE_REQUESTS_PER_ENDPOINT: "5" })).toEqual([7, 5]);
});

test("an access policy with only some options gets defaults for the missing options", () => {
  const access = { pastDueGraceDays: 3, pausedCollection: { void: "keep" as const } };
  expect(resolve({}, { access }).access).toEqual({
    ...DEFAULT_ACCESS_POLICY,
    pastDueGraceDays: 3,
    pausedCollection: { void: "keep", mark_uncollectible: "paid_period", keep_as_draft: "keep" },
  });
});

test("the variable APP_NAME, which frameworks set for their own use, does not name the app", () => {
  expect(resolve({ APP_NAME: "laravel" })).toEqual(resolve());
  expect(resolve({ TOLLKEEPER_APP: "shop" }).userIdMetadataKey).toBe("shop_user_id");
});

describe("the service refuses an invalid configuration", () => {
  test.each([
    ["without a secret key", { STRIPE_SECRET_KEY: "" }, "STRIPE_SECRET_KEY is missing"],
    ["with a publishable key as secret key", { STRIPE_SECRET_KEY: "pk_test_abc123" }, "is a publishable key"],
    ["with another text as secret key", { STRIPE_SECRET_KEY: "hunter2" }, "STRIPE_SECRET_KEY must begin with"],
    ["without a publishable key", { STRIPE_PUBLISHABLE_KEY: " " }, "STRIPE_PUBLISHABLE_KEY is missing"],
    ["with a secret key as publishable key", { STRIPE_PUBLISHABLE_KEY: "sk_test_abc123" }, "browsers would see it"],
    ["with keys of two modes", { STRIPE_PUBLISHABLE_KEY: "pk_live_abc123" }, "use two keys of one mode"],
    ["without a webhook secret", { STRIPE_WEBHOOK_SECRET: undefined }, "STRIPE_WEBHOOK_SECRET is missing"],
    ["with a blank webhook secret", { STRIPE_WEBHOOK_SECRET: "  " }, "STRIPE_WEBHOOK_SECRET is missing"],
    ["with a blank entry among webhook secrets", { STRIPE_WEBHOOK_SECRET: "whsec_abcdefgh,," }, "has a blank entry"],
    ["with a secret key as webhook secret", { STRIPE_WEBHOOK_SECRET: "sk_test_abc123" }, "must begin with whsec_"],
    [
      "with a live key and a test webhook",
      { ...LIVE(), STRIPE_WEBHOOK_MODE: "test" },
      "STRIPE_WEBHOOK_MODE is test but STRIPE_SECRET_KEY is a live key",
    ],
    [
      "with a request limit that is no number",
      { STRIPE_REQUESTS_PER_SECOND: "many" },
      'STRIPE_REQUESTS_PER_SECOND "many" must be a whole number from 1 to 10000',
    ],
    [
      "with a request limit of zero",
      { STRIPE_REQUESTS_PER_SECOND: "0" },
      "STRIPE_REQUESTS_PER_SECOND 0 must be a whole number from 1 to 10000",
    ],
    [
      "with a negative limit of an endpoint",
      { STRIPE_REQUESTS_PER_ENDPOINT: "-1" },
      "STRIPE_REQUESTS_PER_ENDPOINT -1 must be a whole number from 1 to 10000",
    ],
    ["with a short work token", { WORK_TOKEN: "short" }, "WORK_TOKEN must have at least 16"],
    ["with a direct URL of a file", { DATABASE_DIRECT_URL: "file:x" }, "DATABASE_DIRECT_URL must be"],
    [
      "with a direct URL whose password has a #",
      { DATABASE_DIRECT_URL: "postgres://ada:don#ttell@h/d" },
      "DATABASE_DIRECT_URL must have the form",
    ],
    [
      "with a direct URL beside a file",
      { DATABASE_DIRECT_URL: "postgres://h/d", DATABASE_URL: "file:x" },
      "DATABASE_DIRECT_URL is set but DATABASE_URL names a file",
    ],
    ["with a short metrics token", { METRICS_TOKEN: "short" }, "METRICS_TOKEN must have at least 16"],
    [
      "with a flag that is neither true nor false",
      { KEEP_EVENT_BODIES: "yes" },
      'KEEP_EVENT_BODIES "yes" must be true or false',
    ],
    ["with a hooks URL that is no URL", { HOOKS_URL: "here" }, 'HOOKS_URL "here" must be a URL'],
    ["with a hooks URL alone", { HOOKS_URL: "https://a.example" }, "HOOKS_SECRET is missing"],
    ["with a hooks secret alone", { HOOKS_SECRET: "whsec_abc" }, "HOOKS_SECRET is set without HOOKS_URL"],
    [
      "with a short hooks secret",
      { HOOKS_URL: "https://a.example", HOOKS_SECRET: "whsec_c2hvcnQ=" },
      "HOOKS_SECRET must be whsec_ and base64 of 24 to 64 bytes",
    ],
    [
      "with an unknown webhook mode",
      { STRIPE_WEBHOOK_MODE: "prod" },
      'STRIPE_WEBHOOK_MODE "prod" must be "test" or "live"',
    ],
    ["with an unknown log level", { LOG_LEVEL: "loud" }, 'LOG_LEVEL "loud" must be one of fatal, error, warn'],
    [
      "with a live key and the emulator",
      { ...LIVE(), STRIPE_API_BASE: "http://127.0.0.1:12111" },
      "STRIPE_API_BASE is set but STRIPE_SECRET_KEY is a live key",
    ],
    [
      "with an http app in production",
      { NODE_ENV: "production", APP_URL: "http://app.example.com" },
      'APP_URL "http://app.example.com" must use https because NODE_ENV is production',
    ],
    ["without an app", { APP_URL: "" }, "APP_URL is missing"],
    ["with an app that is no URL", { APP_URL: "app.example.com" }, 'APP_URL "app.example.com" must be a URL'],
    [
      "with a path among the origins",
      { ALLOWED_ORIGINS: "https://a.example.com/path" },
      'ALLOWED_ORIGINS has "https://a.example.com/…": use an origin without a path',
    ],
    [
      "with an http origin in production",
      { NODE_ENV: "production", ALLOWED_ORIGINS: "http://a.example.com" },
      'ALLOWED_ORIGINS "http://a.example.com" must use https because',
    ],
    [
      "with cookies for every origin",
      { CORS_CREDENTIALS: "true", ALLOWED_ORIGINS: "*" },
      "ALLOWED_ORIGINS has (a text of 1 characters",
    ],
    ["with a wrong switch for cookies", { CORS_CREDENTIALS: "yes" }, 'CORS_CREDENTIALS "yes" must be true or false'],
    ["without an issuer", { AUTH0_DOMAIN: "" }, "AUTH_ISSUER or AUTH0_DOMAIN is missing"],
    ["without an audience", { AUTH_AUDIENCE: "" }, "AUTH_AUDIENCE is missing"],
    [
      "with blank client ids and without an audience",
      { AUTH_AUDIENCE: "", AUTH_CLIENT_IDS: "web,," },
      "AUTH_CLIENT_IDS has a blank entry",
    ],
    [
      "with an algorithm that has a shared secret",
      { AUTH_ALGORITHMS: "RS256,HS256" },
      "AUTH_ALGORITHMS has (a text of 5 characters, which is not shown): use RS256, RS384",
    ],
    ["with tokens without a signature", { AUTH_ALGORITHMS: "none" }, 'AUTH_ALGORITHMS has "none": use RS256'],
    [
      "with an http issuer in production",
      { NODE_ENV: "production", AUTH_ISSUER: "http://id.example.com" },
      'AUTH_ISSUER "http://id.example.com" must use https because',
    ],
    [
      "with issuer keys over http in production",
      { NODE_ENV: "production", AUTH_JWKS_URI: "http://id.example.com/keys" },
      'AUTH_JWKS_URI "http://id.example.com/…" must use https because',
    ],
    [
      "with an http hooks URL in production",
      { NODE_ENV: "production", HOOKS_URL: "http://a.example" },
      'HOOKS_URL "http://a.example" must use https because',
    ],
    [
      "with an account that is no account id",
      { STRIPE_ACCOUNT_CHANGED: "yes" },
      'STRIPE_ACCOUNT_CHANGED "yes" must be',
    ],
    ["with an unknown database", { DATABASE_URL: "mysql://x" }, "DATABASE_URL must be"],
  ])("%s", (_name, env, message) => {
    expect(() => resolve(env)).toThrow(ConfigError);
    expect(() => resolve(env)).toThrow(message);
  });

  test.each([
    ["a success URL of a foreign origin", { successUrl: "https://evil.example.com/" }, "successUrl"],
    ["two ways to sign in", { authenticate: () => null }, "authenticate and AUTH_ISSUER are both set"],
    ["a grace of 1000 days", { access: { pastDueGraceDays: 1_000 } }, "access.pastDueGraceDays 1000 must be"],
    [
      "a signature tolerance of zero, which would accept no event",
      { webhookToleranceSeconds: 0 },
      "webhookToleranceSeconds 0",
    ],
    ["a base path without a slash", { basePath: "stripe" }, 'basePath "stripe"'],
    ["no plans", { plans: [] }, "plans are missing"],
    ["a fraction of a day", { keepDoneDays: 35.5 }, "keepDoneDays 35.5 must be a whole number from 31 to 3650"],
  ])("with %s", (_name, options, message) => {
    expect(() => resolve({}, options)).toThrow(message);
  });

  test.each([
    ["an unknown option", { webookSecrets: ["whsec_abcdefgh"] }, 'option "webookSecrets" is unknown: correct its name'],
    ["an unknown part of an option", { access: { days: 3 } }, 'option "access.days" is unknown: correct its name'],
    [
      "a misspelt option",
      { succesUrl: "https://app.example.com" },
      '"succesUrl" is unknown: did you mean "successUrl"?',
    ],
    ["an option in wrong case", { successURL: "https://app.example.com" }, 'did you mean "successUrl"?'],
    ["a misspelt part of the access policy", { access: { keepPaidPerod: true } }, 'mean "access.keepPaidPeriod"?'],
    ["a misspelt hook", { hooks: { onAccesGranted() {} } }, 'mean "hooks.onAccessGranted"?'],
    ["an unknown hook", { hooks: { onCoffee() {} } }, 'option "hooks.onCoffee" is unknown'],
    ["a hook that is no function", { hooks: { onAccessGranted: true } }, "hooks.onAccessGranted must be a function"],
    [
      "a misspelt part of a plan",
      { plans: [{ ...PLANS[0], feature: [] }] },
      '"feature" is unknown: did you mean "features"?',
    ],
    ["plans that are no list", { plans: {} }, "plans are missing"],
    ["a function that is a text", { fetch: "fetch" }, "fetch must be a function"],
    ["a list that is a text", { allowedOrigins: "https://a.example" }, "ALLOWED_ORIGINS must be a list of strings"],
    [
      "an app URL with a password",
      { appUrl: "https://a:donttell@app.example" },
      'APP_URL "https://…@app.example" must not',
    ],
    ["an app name with upper case", { app: "Shop" }, 'TOLLKEEPER_APP "Shop" must match'],
    ["an app name of 33 characters", { app: "a".repeat(33) }, "must match"],
    ["a required option that is undefined", { appUrl: undefined }, "APP_URL is missing"],
    ["a secret key that is undefined", { stripeSecretKey: undefined }, "STRIPE_SECRET_KEY is missing"],
  ])("the service does not start if JavaScript code passes %s", (_name, options: object, message) => {
    expect(() => resolve({}, options)).toThrow(ConfigError);
    expect(() => resolve({}, options)).toThrow(message);
  });

  test("one error lists all problems in the order of the options", () => {
    const refused = refusal(
      {
        STRIPE_PUBLISHABLE_KEY: "pk_live_x",
        STRIPE_REQUESTS_PER_SECOND: "many",
        APP_URL: "",
        HOOKS_URL: "https://a.example",
      },
      { basePath: "stripe", webookSecrets: [] },
    );
    expect(refused.problems).toEqual([
      expect.stringContaining("STRIPE_PUBLISHABLE_KEY is a live key"),
      expect.stringContaining("STRIPE_REQUESTS_PER_SECOND"),
      expect.stringContaining("APP_URL is missing"),
      expect.stringContaining("basePath"),
      expect.stringContaining("HOOKS_SECRET is missing"),
      expect.stringContaining("webookSecrets"),
    ]);
  });

  test("a problem that several entries of a list have is listed once", () => {
    expect(refusal({ AUTH_CLIENT_IDS: ",web,," }).problems).toEqual(["AUTH_CLIENT_IDS has a blank entry: remove it"]);
  });

  test("the service keeps helpers of the app in the object of hooks", () => {
    expect(() => resolve({}, { hooks: Object.assign({ onAccessGranted() {} }, { database: {} }) })).not.toThrow();
  });

  test.each(Object.values(VARIABLES))("the error does not contain a secret that was pasted into %s", (name) => {
    for (const secret of PASTED_SECRETS)
      expect(refusal({ APP_URL: "", [name]: secret, METRICS_TOKEN: "short" }).message).not.toMatch(/donttell/i);
  });

  test.each(["APP_URL", "ALLOWED_ORIGINS", "AUTH_ISSUER", "AUTH_JWKS_URI", "HOOKS_URL", "STRIPE_API_BASE"])(
    "the service refuses a user name or password in %s",
    (name) => {
      for (const url of [
        "https://ada:donttell@a.example",
        "https://donttell@a.example",
        "https://:donttell@a.example/x",
      ]) {
        const { message } = refusal({ [name]: url, HOOKS_SECRET: `whsec_${"a".repeat(40)}` });
        expect(message).toMatch(new RegExp(`${name} .*(must not contain a user name|use an origin)`));
        expect(message).not.toContain("donttell");
      }
    },
  );

  test("the service refuses a password in AUTH0_DOMAIN", () => {
    const { message } = refusal({ AUTH0_DOMAIN: "ada:donttell@example.auth0.com" });
    expect(message).toContain("must not contain a user name or password");
    expect(message).not.toContain("donttell");
  });

  test.each(["sk_test_donttell", "rk_live_donttell", "whsec_donttell", "postgres://ada:donttell@host", "donttell"])(
    "the error does not contain the secret %s, even if a wrong option has this value",
    (secret) => {
      for (const option of SECRET_OPTIONS)
        expect(
          refusal({}, { [option]: option.endsWith("Secrets") ? [secret] : secret, appUrl: "" }).message,
        ).not.toContain("donttell");
      if (secret === "donttell") return;
      for (const option of OPTION_NAMES)
        for (const value of [secret, [secret], { [secret]: secret }])
          expect(refusal({}, { appUrl: "", [option]: value, [secret]: value }).message).not.toContain("donttell");
    },
  );
});

/** Texts that a person may paste into a wrong variable. */
const PASTED_SECRETS = [
  "sk_live_donttell",
  "whsec_donttell",
  "donttell-1",
  "Donttell",
  "postgres://ada:donttell@db.example/app",
  "https://ada:donttell@a.example",
  "https://a.example/services/donttell?key=donttell",
  "eyJhbGciOiJub25lIn0.donttell.x",
  "c2VjcmV0ZG9udHRlbGw=donttell",
];

describe("in production", () => {
  const names = ["APP_URL", "AUTH_ISSUER", "AUTH_JWKS_URI", "HOOKS_URL", "ALLOWED_ORIGINS"];
  const env = { NODE_ENV: "production", HOOKS_SECRET: `whsec_${"a".repeat(40)}`, HOOKS_URL: "https://a.example" };

  test.each([
    "http://localhost:3000",
    "http://app.localhost",
    "http://127.0.0.1:3000",
    "http://127.1.2.3",
    "http://[::1]:3000",
  ])("the loopback address %s may use http", (url) => {
    for (const name of names) expect(() => resolve({ ...env, [name]: url })).not.toThrow();
    expect(() => resolve({ ...env, APP_URL: url }, { successUrl: `${url}/done` })).not.toThrow();
  });

  test.each([
    "http://localhost.example.com",
    "http://notlocalhost",
    "http://128.0.0.1",
    "http://10.0.0.1",
    "http://0.0.0.0",
  ])("the address %s must use https", (url) => {
    for (const name of names)
      expect(() => resolve({ ...env, [name]: url })).toThrow(/must use https because NODE_ENV is production/);
  });
});

describe("a variable with a misspelt name", () => {
  const warningsOf = (env: Record<string, string>, options: Partial<TollkeeperOptions> = {}) =>
    findMisspeltVariables(env, { ...optionsFromEnvironment(env), ...options });

  test.each([
    ["STRIPE_SECRET_KEYS", "STRIPE_SECRET_KEY"],
    ["STRIPE_WEBHOK_SECRET", "STRIPE_WEBHOOK_SECRET"],
    ["HOOK_URL", "HOOKS_URL"],
    ["AUTH0_AUDIENCE", "AUTH_AUDIENCE"],
    ["METRIC_TOKEN", "METRICS_TOKEN"],
  ])("%s causes a warning that names %s", (name, meant) => {
    expect(warningsOf({ [name]: "x" })).toEqual([`the variable ${name} has no effect: did you mean ${meant}?`]);
  });

  test("causes no warning if the option is set, or if another program may use the variable", () => {
    expect(warningsOf({ STRIPE_SECRET_KEYS: "x", STRIPE_SECRET_KEY: "sk_test_1" })).toEqual([]);
    expect(warningsOf({ AUTH0_AUDIENCE: "x" }, { authenticate: () => null })).toEqual([]);
    expect(
      warningsOf({ STRIPE_API_KEY: "x", LOGLEVEL: "x", DATABASE_URI: "x", APP_URI: "x", AUTH_SECRET: "x" }),
    ).toEqual([]);
  });
});

const SECRET_OPTIONS = [
  "stripeSecretKey",
  "stripeWebhookSecrets",
  "databaseUrl",
  "databaseDirectUrl",
  "hooksSecret",
  "metricsToken",
  "workToken",
];

function refusal(env: Record<string, string>, options: object = {}): ConfigError {
  try {
    resolve(env, options);
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error("the configuration is valid");
}

function LIVE() {
  return { STRIPE_SECRET_KEY: "sk_live_abc123", STRIPE_PUBLISHABLE_KEY: "pk_live_abc123" };
}
