/** Runs the component `@convex-dev/stripe` in `convex-test`, the local stand-in for Convex, with a separate emulator. */
import { registerRoutes, StripeSubscriptions, type StripeComponent } from "@convex-dev/stripe";
import { convexTest } from "convex-test";
import {
  componentsGeneric,
  defineSchema,
  httpRouter,
  type GenericActionCtx,
  type GenericDataModel,
} from "convex/server";
import Stripe from "stripe";
import { expect, onTestFinished, vi } from "vitest";
import { createEmulator, type Emulator } from "../../packages/emulator/src/index.ts";
import { networkOf, useDefaultNetwork } from "./network.ts";
import schema from "./node_modules/@convex-dev/stripe/dist/component/schema.js";

const KEY = "sk_test_convex";
const SECRET = "whsec_convex";

export type ActionContext = GenericActionCtx<GenericDataModel>;
export type PublicQueries = StripeComponent["public"];

export interface ConvexApp {
  emulator: Emulator;
  stripe: Stripe;
  /** The client of the component, which an app calls in its actions. */
  client: StripeSubscriptions;
  /** The queries that the component offers to an app. */
  queries: PublicQueries;
  /** The errors that the component logged. */
  errors: string[];
  /** Runs an action of the app. */
  act<Output>(action: (context: ActionContext) => Promise<Output>): Promise<Output>;
}

/** `@convex-dev/stripe` publishes its modules for Convex, but no list of them. */
const MODULES = {
  "./_generated/api.js": () => import("./node_modules/@convex-dev/stripe/dist/component/_generated/api.js"),
  "./public.js": () => import("./node_modules/@convex-dev/stripe/dist/component/public.js"),
  "./private.js": () => import("./node_modules/@convex-dev/stripe/dist/component/private.js"),
};

export function createConvexApp(): ConvexApp {
  const component = componentsGeneric()["stripe"] as unknown as StripeComponent;
  const http = httpRouter();
  registerRoutes(http, component, { STRIPE_SECRET_KEY: KEY, STRIPE_WEBHOOK_SECRET: SECRET });
  const convex = convexTest(defineSchema({}), {
    "./_generated/api.js": () => Promise.resolve({}),
    "./http.js": () => Promise.resolve({ default: http }),
  });
  convex.registerComponent("stripe", schema, MODULES);
  const emulator = createEmulator({
    baseUrl: "http://stripe.test",
    checkResponses: true,
    onWarning: () => {},
    webhooks: [{ url: "http://app.test/stripe/webhook", secret: SECRET }],
    fetch: async ({ url, method, headers, body }) =>
      convex.fetch(new URL(url).pathname, { method, headers, body: await new Response(body).text() }),
  });
  onTestFinished(() => expect(emulator.audit()).toEqual([]));
  const errors: string[] = [];
  vi.spyOn(console, "error").mockImplementation((...about: unknown[]) => void errors.push(about.map(String).join(" ")));
  // The component logs each event that it does not store.
  vi.spyOn(console, "log").mockReturnValue();
  onTestFinished(() => void vi.restoreAllMocks());
  // The component constructs a client in each action. It accepts no option that sets the network of the client.
  useDefaultNetwork(Stripe, networkOf(emulator));
  return {
    emulator,
    stripe: new Stripe(KEY, { maxNetworkRetries: 0 }),
    client: new StripeSubscriptions(component, { STRIPE_SECRET_KEY: KEY }),
    queries: component.public,
    errors,
    act: (action) => convex.action(action),
  };
}
