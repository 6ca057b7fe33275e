/** Makes the options of the service in a test from the options of the app. */
import type { TollkeeperOptions } from "../options.ts";
import type { TestEmulator } from "./harness/emulator.ts";
import { virtualRuntime } from "./harness/harness.ts";
import { createLogRecorder, type LogLine } from "./harness/log-recorder.ts";
import { emulatorOptions } from "./harness/service-options.ts";
import type { KitState } from "./kit-state.ts";
import { recordHooks, type HookRun } from "./recorded-hooks.ts";
import { authenticate } from "./test-sign-in.ts";
import type { Timeline } from "./timeline.ts";

export interface Surroundings {
  emulator: TestEmulator;
  timeline: Timeline;
  state: KitState;
  log: LogLine[];
  hooks: HookRun[];
}

/** Returns the app's options with the keys, the addresses, the clock and the database of the test. */
export function toServiceOptions({ emulator, state, log, hooks, timeline }: Surroundings): TollkeeperOptions {
  const given = state.options;
  const defaults = emulatorOptions(given.plans);
  const appUrl = state.served?.appUrl ?? defaults.appUrl;
  const onHook = (run: HookRun): void => {
    hooks.push(run);
    timeline.addHook(run);
  };
  return {
    ...withoutReplaced(given),
    ...defaults,
    appUrl,
    ...pagesOf(given, appUrl),
    authenticate: given.authenticate ?? authenticate,
    hooks: recordHooks(given.hooks ?? {}, emulator.now, onHook),
    databaseUrl: given.database ?? "file::memory:",
    environment: "test",
    runWorker: false,
    log: createLogRecorder(log),
    runtime: { ...virtualRuntime(emulator), sleep },
    async fetch(input, init) {
      if (state.isStripeDown) throw new TypeError("fetch failed: the test has called stripeDown()");
      return emulator.fetch(new Request(input, init));
    },
  };
}

/**
 * Each option of the service: true if the test takes it from the app, false if the kit sets it or leaves it out. The kit replaces
 * keys, addresses, clocks, limits, the database, the issuer and the receiver of hooks, so that a test reaches nothing real.
 */
const FROM_APP: Record<keyof TollkeeperOptions, boolean> = {
  plans: true,
  stripeSecretKey: false,
  stripePublishableKey: false,
  stripeWebhookSecrets: false,
  stripeWebhookMode: false,
  stripeApiBase: false,
  stripeNetworkRetries: false,
  stripeRequestsPerSecond: false,
  stripeRequestsPerEndpoint: false,
  stripeRequestsInFlight: false,
  stripeAccountChanged: false,
  databaseUrl: false,
  databaseDirectUrl: false,
  reconcileEveryMinutes: true,
  keepDoneDays: true,
  keepEventBodies: true,
  appUrl: false,
  allowedOrigins: true,
  corsCredentials: true,
  successUrl: false,
  cancelUrl: false,
  portalReturnUrl: false,
  basePath: true,
  authIssuer: false,
  authAudience: false,
  authClientIds: false,
  authAlgorithms: false,
  authJwksUri: false,
  authenticate: false,
  app: true,
  userIdMetadataKey: true,
  allowPromotionCodes: true,
  access: true,
  hooks: false,
  hooksUrl: false,
  hooksSecret: false,
  hooksFetch: false,
  webhookToleranceSeconds: true,
  metricsToken: true,
  workToken: true,
  runWorker: false,
  environment: false,
  logLevel: false,
  log: false,
  tracer: true,
  fetch: false,
  runtime: false,
};

function withoutReplaced(options: KitState["options"]): Partial<TollkeeperOptions> {
  const kept = Object.entries(options).filter(([name]) => FROM_APP[name as keyof TollkeeperOptions]);
  return Object.fromEntries(kept);
}

/** Returns the pages to which users return, with the same paths at the address of the test's app. */
function pagesOf(given: KitState["options"], appUrl: string): Partial<TollkeeperOptions> {
  const names = ["successUrl", "cancelUrl", "portalReturnUrl"] as const;
  const pages = names.flatMap((name) => {
    const url = given[name];
    if (url === undefined || !URL.canParse(url, appUrl)) return [];
    const { pathname, search, hash } = new URL(url, appUrl);
    // The placeholder of Stripe's session id must stay as it is.
    return [[name, `${appUrl}${pathname}${search}${hash}`.replaceAll("%7B", "{").replaceAll("%7D", "}")]];
  });
  return Object.fromEntries(pages) as Partial<TollkeeperOptions>;
}

/** Ends only if the signal aborts. The test's clock moves without waiting, and a real timer would keep the process alive. */
function sleep(_ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
