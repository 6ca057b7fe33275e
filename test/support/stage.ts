/** What a process of ours needs around it, over real sockets: Stripe (the emulator), a sign-in, and a database. */
import { onTestFinished } from "vitest";
import { planChanges, pushPlans } from "../../packages/tollkeeper/src/actions/push-plans.ts";
import { serveEmulator, type ServedEmulator } from "../../packages/emulator/src/index.ts";
import { createStripeGateway } from "../../packages/tollkeeper/src/stripe/gateway/gateway.ts";
import type { Plans } from "../../packages/tollkeeper/src/index.ts";
import { freshDatabase, type DialectName } from "./databases.ts";
import { startIssuer, type TestIssuer } from "./issuer.ts";
import { freePort } from "./ports.ts";

export interface Answer {
  status: number;
  body: Record<string, unknown>;
}

export interface Stage {
  emulator: ServedEmulator;
  issuer: TestIssuer;
  appUrl: string;
  /** The environment of a service on this stage. */
  env: Record<string, string>;
  /** Calls a route of the app as a user; null is nobody. */
  call(user: string | null, method: "GET" | "POST", path: string, body?: object): Promise<Answer>;
  /** Calls Stripe. */
  stripe(method: "GET" | "POST", path: string, form?: Record<string, string>): Promise<Answer>;
}

const SECRET_KEY = "sk_test_stage";
const WEBHOOK_SECRET = "whsec_stage_secret";

export async function setStage({ plans, dialect = "sqlite" }: { plans: Plans; dialect?: DialectName }): Promise<Stage> {
  const [port, emulatorPort] = [await freePort(), await freePort()];
  const appUrl = `http://127.0.0.1:${port}`;
  const emulator = await serveEmulator({
    port: emulatorPort,
    seed: 7,
    webhooks: [{ url: `${appUrl}/stripe/webhook`, secret: WEBHOOK_SECRET }],
  });
  onTestFinished(() => emulator.close());
  const issuer = await startIssuer();
  const gateway = createStripeGateway({
    secretKey: SECRET_KEY,
    mode: "test",
    userIdKey: "auth0_user_id",
    apiBase: emulator.url,
    networkRetries: 0,
    version: "test",
    now: Date.now,
  });
  await pushPlans(gateway, await planChanges(gateway, plans), { newId: () => crypto.randomUUID(), now: Date.now });
  return {
    emulator,
    issuer,
    appUrl,
    env: {
      PORT: String(port),
      APP_URL: appUrl,
      STRIPE_SECRET_KEY: SECRET_KEY,
      STRIPE_PUBLISHABLE_KEY: "pk_test_stage",
      STRIPE_WEBHOOK_SECRET: WEBHOOK_SECRET,
      STRIPE_API_BASE: emulator.url,
      DATABASE_URL: await freshDatabase(dialect),
      AUTH_ISSUER: issuer.url,
      AUTH_AUDIENCE: issuer.audience,
      LOG_LEVEL: "warn",
    },
    async call(user, method, path, body) {
      const headers = new Headers(user === null ? {} : { authorization: `Bearer ${await issuer.sign(user)}` });
      if (method === "POST") headers.set("content-type", "application/json");
      return answerOf(
        await fetch(`${appUrl}${path}`, {
          method,
          headers,
          ...(method === "POST" && { body: JSON.stringify(body ?? {}) }),
        }),
      );
    },
    async stripe(method, path, form = {}) {
      return answerOf(
        await fetch(`${emulator.url}${path}`, {
          method,
          headers: { authorization: `Bearer ${SECRET_KEY}`, "content-type": "application/x-www-form-urlencoded" },
          ...(method === "POST" && { body: new URLSearchParams(form) }),
        }),
      );
    },
  };
}

async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  try {
    return { status: response.status, body: JSON.parse(text) as Record<string, unknown> };
  } catch {
    return { status: response.status, body: { text } };
  }
}

const LOOK_AGAIN_MS = 20;
/** Longer than a lease, which whoever was killed leaves behind. */
const PATIENCE_MS = 20_000;

/** Looks until the answer holds: for what another process does in its own time. Throws with the last answer. */
export async function eventually<T>(look: () => Promise<T>, holds: (answer: T) => boolean): Promise<T> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const answer = await look();
    if (holds(answer)) return answer;
    if (performance.now() > deadline) throw new Error(`still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
  }
}
