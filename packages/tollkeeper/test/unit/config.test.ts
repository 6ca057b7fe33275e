import { describe, expect, test } from "vitest";
import { optionsFromEnvironment, resolveConfig, type TollkeeperOptions } from "../../src/config.ts";
import { ConfigError } from "../../src/errors.ts";
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

test("a complete environment is taken, with its defaults", () => {
  const config = resolve();
  expect(config).toMatchObject({
    mode: "test",
    databaseUrl: "file:.tollkeeper/tollkeeper.sqlite",
    basePath: "/stripe",
    userIdMetadataKey: "auth0_user_id",
    webhookToleranceMs: 300_000,
    access: { pastDueGraceDays: 7, keepPaidPeriod: true },
    auth: { issuer: "https://example.eu.auth0.com", audience: "https://api.example.com" },
  });
  expect(config.urls).toMatchObject({
    allowedOrigins: ["https://app.example.com"],
    successUrl: "https://app.example.com?session_id={CHECKOUT_SESSION_ID}",
  });
});

test("several webhook secrets are taken while one is rolled", () => {
  const config = resolve({ STRIPE_WEBHOOK_SECRET: "whsec_abcdefgh, whsec_ijklmnop" });
  expect(config.stripe.webhookSecrets).toEqual(["whsec_abcdefgh", "whsec_ijklmnop"]);
});

describe("the start is refused", () => {
  test.each([
    ["without a secret key", { STRIPE_SECRET_KEY: "" }, "STRIPE_SECRET_KEY is missing"],
    ["with a publishable key in its place", { STRIPE_SECRET_KEY: "pk_test_abc123" }, "holds a publishable key"],
    ["with a key that is none", { STRIPE_SECRET_KEY: "hunter2" }, "STRIPE_SECRET_KEY must begin with"],
    ["without a publishable key", { STRIPE_PUBLISHABLE_KEY: " " }, "STRIPE_PUBLISHABLE_KEY is missing"],
    [
      "with a secret key where browsers see it",
      { STRIPE_PUBLISHABLE_KEY: "sk_test_abc123" },
      "which browsers would see",
    ],
    ["with keys of two modes", { STRIPE_PUBLISHABLE_KEY: "pk_live_abc123" }, "take both from one mode"],
    ["without a webhook secret", { STRIPE_WEBHOOK_SECRET: undefined }, "STRIPE_WEBHOOK_SECRET is missing"],
    ["with a blank webhook secret", { STRIPE_WEBHOOK_SECRET: "  " }, "STRIPE_WEBHOOK_SECRET is missing"],
    ["with a blank one among them", { STRIPE_WEBHOOK_SECRET: "whsec_abcdefgh,," }, "has a blank entry"],
    ["with a webhook secret that is none", { STRIPE_WEBHOOK_SECRET: "sk_test_abc123" }, "must begin with whsec_"],
    [
      "with a live key and a test webhook",
      { ...LIVE(), STRIPE_WEBHOOK_MODE: "test" },
      "STRIPE_WEBHOOK_MODE is test but STRIPE_SECRET_KEY is a live key",
    ],
    ["with a pace that is none", { STRIPE_REQUESTS_PER_SECOND: "many" }, "STRIPE_REQUESTS_PER_SECOND NaN must be"],
    ["with a pace of nothing", { STRIPE_REQUESTS_PER_SECOND: "0" }, "must be a whole number from 1 to 10000"],
    [
      "with a pace of an endpoint that is none",
      { STRIPE_REQUESTS_PER_ENDPOINT: "-1" },
      "STRIPE_REQUESTS_PER_ENDPOINT -1",
    ],
    ["with a token that is easy to guess", { METRICS_TOKEN: "short" }, "METRICS_TOKEN must have at least 16"],
    ["with bodies kept perhaps", { KEEP_EVENT_BODIES: "yes" }, 'KEEP_EVENT_BODIES "yes" must be true or false'],
    ["with a hooks' address that is none", { HOOKS_URL: "here" }, 'HOOKS_URL "here" must be a URL'],
    ["with a hooks' address alone", { HOOKS_URL: "https://a.example" }, "HOOKS_SECRET must be whsec_"],
    ["with a hooks' secret alone", { HOOKS_SECRET: "whsec_abc" }, "HOOKS_SECRET is set without HOOKS_URL"],
    [
      "with a hooks' secret that is short",
      { HOOKS_URL: "https://a.example", HOOKS_SECRET: "whsec_c2hvcnQ=" },
      "24 to 64 bytes",
    ],
    ["with a webhook mode that is none", { STRIPE_WEBHOOK_MODE: "prod" }, "it must be test or live"],
    [
      "with a live key and the emulator",
      { ...LIVE(), STRIPE_API_BASE: "http://127.0.0.1:12111" },
      "STRIPE_API_BASE is set with a live key",
    ],
    [
      "with an http app in production",
      { NODE_ENV: "production", APP_URL: "http://app.example.com" },
      'APP_URL "http://app.example.com" in production: use https',
    ],
    ["without an app", { APP_URL: "" }, "APP_URL is missing"],
    ["with an app that is no URL", { APP_URL: "app.example.com" }, "must be a URL"],
    ["with a path among the origins", { ALLOWED_ORIGINS: "https://a.example.com/path" }, "write origins alone"],
    [
      "with an http origin in production",
      { NODE_ENV: "production", ALLOWED_ORIGINS: "http://a.example.com" },
      "in production: use https",
    ],
    ["without an issuer", { AUTH0_DOMAIN: "" }, "AUTH_ISSUER or AUTH0_DOMAIN is missing"],
    ["without an audience", { AUTH_AUDIENCE: "" }, "AUTH_AUDIENCE is missing"],
    [
      "with an http issuer in production",
      { NODE_ENV: "production", AUTH_ISSUER: "http://id.example.com" },
      "in production: use https",
    ],
    [
      "with keys over http in production",
      { NODE_ENV: "production", AUTH_JWKS_URI: "http://id.example.com/keys" },
      "in production: use https",
    ],
    ["with a database that is none", { DATABASE_URL: "mysql://x" }, "DATABASE_URL must be"],
  ])("%s", (_name, env, message) => {
    expect(() => resolve(env)).toThrow(ConfigError);
    expect(() => resolve(env)).toThrow(message);
  });

  test.each([
    ["a success URL elsewhere", { successUrl: "https://evil.example.com/" }, "successUrl"],
    ["two ways to sign in", { authenticate: () => null }, "choose one way to sign in"],
    ["an endless grace", { access: { pastDueGraceDays: 1_000 } }, "pastDueGraceDays 1000"],
    [
      "no tolerance at all, which would switch the check off",
      { webhookToleranceSeconds: 0 },
      "webhookToleranceSeconds 0",
    ],
    ["a base path without a slash", { basePath: "stripe" }, "basePath"],
    ["no plans", { plans: [] }, "plans are missing"],
  ])("with %s", (_name, options, message) => {
    expect(() => resolve({}, options)).toThrow(message);
  });

  test("naming every problem at once, and no secret", () => {
    const secret = "sk_test_donttellanybody";
    const refused = refusal({ STRIPE_SECRET_KEY: secret, STRIPE_PUBLISHABLE_KEY: "pk_live_x", APP_URL: "" });
    expect(refused.problems).toEqual([
      expect.stringContaining("STRIPE_PUBLISHABLE_KEY is a live key"),
      expect.stringContaining("APP_URL is missing"),
    ]);
    expect(refused.message).not.toContain(secret);
  });
});

function refusal(env: Record<string, string>): ConfigError {
  try {
    resolve(env);
  } catch (error) {
    if (error instanceof ConfigError) return error;
  }
  throw new Error("the start was not refused");
}

function LIVE() {
  return { STRIPE_SECRET_KEY: "sk_live_abc123", STRIPE_PUBLISHABLE_KEY: "pk_live_abc123" };
}
