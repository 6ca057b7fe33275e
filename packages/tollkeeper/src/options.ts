/**
 * Defines the options of `createTollkeeper`, each with its unit, default and range. docs/stripe_configuration.md lists all of
 * them.
 */
import type { Authenticate } from "./auth/authenticate.ts";
import type { AccessPolicyInput } from "./domain/access.ts";
import type { Hooks } from "./domain/hooks.ts";
import type { Plans } from "./domain/plans.ts";
import type { Mode } from "./domain/records.ts";
import type { Logger, Runtime } from "./runtime.ts";
import type { Tracer } from "./tracing.ts";

export interface TollkeeperOptions {
  /** The plans that the app sells, made by `definePlans`. At least one plan is required. */
  plans: Plans;

  /**
   * `STRIPE_SECRET_KEY`: a secret key (`sk_test_…`, `sk_live_…`) or a restricted key (`rk_…`). The secret key decides if the
   * service runs in test mode or live mode.
   */
  stripeSecretKey: string;
  /** `STRIPE_PUBLISHABLE_KEY`: `pk_test_…` or `pk_live_…`, with the same mode as the secret key. */
  stripePublishableKey: string;
  /**
   * `STRIPE_WEBHOOK_SECRET`: the signing secrets of the webhook endpoint, `whsec_…`. The list of signing secrets has at least
   * one secret, and two secrets during a rotation. In the environment variable `STRIPE_WEBHOOK_SECRET`, separate several
   * secrets with commas.
   */
  stripeWebhookSecrets: readonly string[];
  /**
   * `STRIPE_WEBHOOK_MODE`: the mode of the webhook endpoint, `test` or `live`. The default mode of the webhook endpoint is the
   * mode of the secret key.
   */
  stripeWebhookMode?: Mode | undefined;
  /**
   * `STRIPE_API_BASE`: the URL of the emulator. The option `STRIPE_API_BASE` is allowed only with a test key. Default:
   * https://api.stripe.com.
   */
  stripeApiBase?: string | undefined;
  /**
   * Maximum number of retries of a request to Stripe after a connection failure or a response 409, 429 or 5xx. Default 3; range
   * 0 to 10.
   */
  stripeNetworkRetries?: number | undefined;
  /**
   * `STRIPE_REQUESTS_PER_SECOND`: requests per second to Stripe, of all replicas together. Stripe allows 25 requests per second
   * in test mode and 100 in live mode. The default is 20 requests per second in test mode, 80 in live mode and 1000 with
   * `STRIPE_API_BASE`; the range is 1 to 10000.
   */
  stripeRequestsPerSecond?: number | undefined;
  /**
   * `STRIPE_REQUESTS_PER_ENDPOINT`: requests per second to one endpoint (a method and a path), of all replicas together.
   * The default is 25 requests per second, Stripe's limit, or 10000 if `STRIPE_API_BASE` is set; the range is 1 to 10000.
   */
  stripeRequestsPerEndpoint?: number | undefined;
  /** Maximum number of concurrent requests of one replica to Stripe. Default 32; range 1 to 1000. */
  stripeRequestsInFlight?: number | undefined;

  /**
   * `STRIPE_ACCOUNT_CHANGED`: the id of the Stripe account (acct_…) to which the database was moved on purpose. Without this
   * option, the service refuses to start with a key of another account than before. Default none.
   */
  stripeAccountChanged?: string | undefined;

  /** `DATABASE_URL`: the URL of the database, `file:PATH` or `postgres://…`. Default `file:.tollkeeper/tollkeeper.sqlite`. */
  databaseUrl?: string | undefined;
  /**
   * `DATABASE_DIRECT_URL`: the URL of PostgreSQL without the connection pooler that `DATABASE_URL` names. The service uses it
   * only to receive notifications of new events. Without it, a service behind a connection pooler looks for new events each
   * second. Default none.
   */
  databaseDirectUrl?: string | undefined;
  /**
   * Minutes between two reconciles. A reconcile reads the events that the webhook missed. Once a day, it compares Stripe's
   * lists of customers, subscriptions, open invoices, refunds and disputes with the mirror. Default 60; range 1 to 1440.
   */
  reconcileEveryMinutes?: number | undefined;
  /** Days for which inbox and outbox keep processed rows. Stripe keeps events for 30 days. Default 35; range 31 to 3650. */
  keepDoneDays?: number | undefined;
  /**
   * `KEEP_EVENT_BODIES`: `true` stores the delivered event bodies, compressed, for debugging. The bodies of events contain
   * names and addresses of your customers. Default false.
   */
  keepEventBodies?: boolean | undefined;

  /** `APP_URL`: the URL of the app's pages, to which users return from Stripe. In production, this URL must use https. */
  appUrl: string;
  /**
   * `ALLOWED_ORIGINS`: allowed origins besides the app's own. Pages of allowed origins may call the service's routes, and users
   * may return to them from Stripe. Default none.
   */
  allowedOrigins?: readonly string[] | undefined;
  /**
   * `CORS_CREDENTIALS`: `true` lets pages of `allowedOrigins` send cookies, for a sign-in by cookies on another origin. The
   * service then accepts POST requests with cookies only with an allowed `Origin` and JSON. Default false.
   */
  corsCredentials?: boolean | undefined;
  /** The URL to which users return after payment. The service adds the checkout session's id to this URL. Default `APP_URL`. */
  successUrl?: string | undefined;
  /** The URL to which users return if they leave the checkout without paying. Default `APP_URL`. */
  cancelUrl?: string | undefined;
  /** The URL to which users return from the customer portal. Default `APP_URL`. */
  portalReturnUrl?: string | undefined;
  /** Path with which all routes of the service begin. Default `/stripe`. */
  basePath?: string | undefined;

  /** `AUTH_ISSUER`, or `AUTH0_DOMAIN` for `https://DOMAIN/`: the issuer of the users' access tokens. */
  authIssuer?: string | undefined;
  /**
   * `AUTH_AUDIENCE`: the identifier of the API for which tokens must be issued. Required if an issuer is set, unless
   * `AUTH_CLIENT_IDS` is set.
   */
  authAudience?: string | undefined;
  /**
   * `AUTH_CLIENT_IDS`: accepted values of the token's claims `azp` and `client_id`. A token must have one of these claims. Use
   * this option without an audience if the issuer's tokens name no audience. Default: the claims are not checked.
   */
  authClientIds?: readonly string[] | undefined;
  /**
   * `AUTH_ALGORITHMS`: accepted signature algorithms of tokens. Default: all asymmetric algorithms, such as RS256, PS256, ES384
   * and EdDSA. Algorithms with a shared secret are not allowed.
   */
  authAlgorithms?: readonly string[] | undefined;
  /**
   * `AUTH_JWKS_URI`: the URL of the sign-in issuer's keys. The default URL of the keys is the one in the issuer's discovery
   * document.
   */
  authJwksUri?: string | undefined;
  /** The app's own sign-in function, which replaces an issuer of access tokens. */
  authenticate?: Authenticate | undefined;
  /**
   * `TOLLKEEPER_APP`: name of the app, if several apps with their own plans share one Stripe account: 1 to 32 lower-case
   * letters, digits and underscores. The name stands in the metadata of products, prices, sessions and subscriptions. It is
   * also a prefix of lookup keys. Default: no name. Set it before the first `plans push`.
   */
  app?: string | undefined;
  /** Metadata key of Stripe customers that holds the user's id; 1 to 40 characters. Default `auth0_user_id`, or
   * `NAME_user_id` if the option `app` has the value `NAME`. */
  userIdMetadataKey?: string | undefined;

  /** If true, the checkout shows a field for promotion codes. Default false. */
  allowPromotionCodes?: boolean | undefined;
  /** The access policy. The docs of `AccessPolicy` have the defaults of its rules. `pastDueGraceDays` may be 0 to 90. */
  access?: AccessPolicyInput | undefined;

  /** The app's own functions, which run after changes of access, payments and trials. */
  hooks?: Hooks | undefined;
  /**
   * `HOOKS_URL`: a URL that receives each hook as a POST, signed as in Standard Webhooks. In production, this URL must use
   * https. Default none.
   */
  hooksUrl?: string | undefined;
  /**
   * `HOOKS_SECRET`: the secret that signs the requests to `HOOKS_URL`: `whsec_` and base64 of 24 to 64 bytes. Required with
   * `HOOKS_URL`.
   */
  hooksSecret?: string | undefined;
  /** The fetch function for requests to `hooksUrl`. Default: the global `fetch`. */
  hooksFetch?: typeof fetch | undefined;

  /** Largest age of a webhook's signature, in seconds. Default 300; range 1 to 3600. */
  webhookToleranceSeconds?: number | undefined;
  /**
   * `METRICS_TOKEN`: the bearer token for `/metrics`, at least 16 characters. Without a token for it, the route `/metrics` is
   * disabled.
   */
  metricsToken?: string | undefined;
  /**
   * `WORK_TOKEN`: the bearer token for `/work`, at least 16 characters. A schedule requests `/work` on serverless platforms. Without
   * a token for it, the route `/work` is disabled.
   */
  workToken?: string | undefined;
  /**
   * If true, this process runs the worker, which processes events and hooks. Set the option `runWorker` to false for replicas
   * that only serve requests. Default true.
   */
  runWorker?: boolean | undefined;
  /** `NODE_ENV`: `production` requires https in all URLs. Default `development`. */
  environment?: string | undefined;
  /**
   * `LOG_LEVEL`: level of the default logger. The level is one of the levels of the logger pino, or `silent`. Default `info`.
   */
  logLevel?: string | undefined;
  /** The logger, with pino's interface. The default logger is pino, which writes to standard output. */
  log?: Logger | undefined;
  /**
   * An OpenTelemetry tracer, which creates spans of webhooks, events, hooks, reconciles, routes and requests to Stripe. Default
   * none.
   */
  tracer?: Tracer | undefined;
  /** The fetch function for requests to Stripe and the issuer. Default: the global `fetch`. */
  fetch?: typeof fetch | undefined;
  /**
   * The sources of time, random numbers, ids and sleep, which tests and simulations replace. By default, clock, random numbers
   * and sleep are those of the machine.
   */
  runtime?: Partial<Omit<Runtime, "log">> | undefined;
}
