/**
 * The demo's web app around the service: a page, a sign-in, a paid feature, and the routes of the panel that moves the clock.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Hono, type Context } from "hono";
import { secureHeaders } from "hono/secure-headers";
import { z } from "zod";
import { refuseForeignRequests } from "../../../packages/emulator/src/foreign-requests.ts";
import type { Emulator } from "../../../packages/emulator/src/index.ts";
import type { Authenticate } from "../../../packages/tollkeeper/src/auth/authenticate.ts";
import type { Tollkeeper } from "../../../packages/tollkeeper/src/tollkeeper.ts";
import type { Issuer } from "./issuer.ts";

export interface DemoParts {
  tollkeeper: Tollkeeper;
  emulator: Emulator;
  emulatorUrl: string;
  /** The URL of the demo's page. */
  url: string;
  issuer: Issuer;
  authenticate: Authenticate;
  /** The calls of the app's hooks so far, newest first. */
  hookLog: readonly { at: number; hook: string; summary: string }[];
}

const TokenInput = z.strictObject({
  userId: z.string().min(1).max(100),
  email: z.email().max(200).nullish(),
});
const AdvanceInput = z.strictObject({
  seconds: z
    .int()
    .min(1)
    .max(400 * 86_400),
});

const ASSETS: Record<string, [file: string, type: string]> = {
  "/": ["index.html", "text/html; charset=utf-8"],
  "/style.css": ["style.css", "text/css; charset=utf-8"],
  "/app.js": ["app.js", "text/javascript; charset=utf-8"],
};
const PAGE_FOLDER = new URL("../dist/page/", import.meta.url);

export function createDemoApp(parts: DemoParts): Hono {
  const { tollkeeper, emulator, issuer } = parts;
  const app = new Hono();
  app.use("*", refuseForeignRequests({ ownUrl: () => parts.url, refuse: (c, message) => refuse(c, message, 403) }));
  app.all(`${tollkeeper.basePath}/*`, (c) => tollkeeper.fetch(c.req.raw));

  // The demo's page has a strict content security policy, to show that the browser client and the premium modal work under such
  // a policy.
  app.use(
    secureHeaders({
      contentSecurityPolicy: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'"],
        connectSrc: ["'self'"],
        imgSrc: ["'self'", "data:"],
        baseUri: ["'none'"],
        formAction: ["'none'"],
        frameAncestors: ["'none'"],
      },
    }),
  );
  for (const [path, [file, type]] of Object.entries(ASSETS))
    app.get(path, (c) => c.body(readAsset(file), 200, { "content-type": type, "cache-control": "no-cache" }));

  app.get("/demo/issuer/.well-known/openid-configuration", (c) => c.json(issuer.discovery));
  app.get("/demo/issuer/jwks", (c) => c.json(issuer.jwks));
  app.post("/demo/token", async (c) => {
    const input = TokenInput.safeParse(await c.req.json().catch(() => undefined));
    if (!input.success) return refuse(c, "Send JSON: { userId, email }.");
    return c.json({ token: await issuer.sign({ userId: input.data.userId, email: input.data.email ?? null }) });
  });

  app.get("/demo/export", (c) => exportNotes(c, parts));
  app.get("/demo/panel", (c) => c.json({ now: emulator.now(), emulatorUrl: parts.emulatorUrl, hooks: parts.hookLog }));
  app.post("/demo/clock/advance", async (c) => {
    const input = AdvanceInput.safeParse(await c.req.json().catch(() => undefined));
    if (!input.success) return refuse(c, "Send JSON: { seconds }, a whole number up to 400 days.");
    const now = await emulator.advance(input.data.seconds);
    await tollkeeper.drain();
    return c.json({ now });
  });
  app.onError((error, c) => {
    console.error(error);
    return c.json({ error: { code: "internal_error", message: `The demo failed: ${error.message}` } }, 500);
  });
  app.notFound((c) => c.json({ error: { code: "not_found", message: `There is no ${c.req.path}.` } }, 404));
  return app;
}

/**
 * Returns an export of the user's notes to users with a paid plan. Checks access on the server, because users control what
 * their browser does.
 */
async function exportNotes(c: Context, { tollkeeper, authenticate }: DemoParts): Promise<Response> {
  const user = await Promise.resolve(authenticate(c.req.raw)).catch(() => null);
  if (!user) return c.json({ error: { code: "unauthenticated", message: "Sign in first." } }, 401);
  if (!(await tollkeeper.can(user.id, "exports")))
    return c.json({ error: { code: "forbidden", message: "Exports are part of Premium." } }, 403);
  return c.text("title,words\nOn the habit of notes,412\nThe river in March,1038\n", 200, {
    "content-type": "text/csv",
  });
}

function refuse(c: Context, message: string, status: 400 | 403 = 400): Response {
  return c.json({ error: { code: status === 403 ? "forbidden" : "invalid_request", message } }, status);
}

function readAsset(file: string): string {
  return readFileSync(fileURLToPath(new URL(file, PAGE_FOLDER)), "utf8");
}
