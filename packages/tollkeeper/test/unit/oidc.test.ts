import { errors, exportJWK, generateKeyPair, SignJWT, type JWTPayload } from "jose";
import { beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { createOidcAuthenticate, type OidcOptions } from "../../src/auth/oidc.ts";
import { startIssuer } from "../../../../test/support/issuer.ts";

const ISSUER = "https://issuer.test";
const DISCOVERY = `${ISSUER}/.well-known/openid-configuration`;
const JWKS = `${ISSUER}/jwks`;
const AUDIENCE = "https://api.test";
const NOW = Date.UTC(2026, 0, 1);
const CLAIMS: JWTPayload = { iss: ISSUER, aud: AUDIENCE, sub: "auth0|ada", exp: NOW / 1_000 + 3_600 };
const ADA = { id: "auth0|ada", email: null, name: null };

let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let jwks: object;

beforeAll(async () => {
  keys = await generateKeyPair("ES256", { extractable: true });
  jwks = { keys: [{ ...(await exportJWK(keys.publicKey)), kid: "ec", alg: "ES256" }] };
});

const sign = (claims: JWTPayload = CLAIMS, header: object = {}): Promise<string> =>
  new SignJWT(claims).setProtectedHeader({ alg: "ES256", kid: "ec", ...header }).sign(keys.privateKey);

type Responses = Record<string, () => Response | Promise<Response>>;

/** Creates a sign-in with an issuer whose responses and clock the test controls. */
function stand(options: Partial<OidcOptions> = {}) {
  const responses: Responses = {
    [DISCOVERY]: () => Response.json({ jwks_uri: JWKS }),
    [JWKS]: () => Response.json(jwks),
  };
  const requests: string[] = [];
  const clock = { now: NOW };
  const authenticate = createOidcAuthenticate({
    issuer: ISSUER,
    audience: AUDIENCE,
    now: () => clock.now,
    fetch: async (input, init) => {
      const { url } = new Request(input, init);
      requests.push(url);
      return (responses[url] ?? (() => new Response(null, { status: 404 })))();
    },
    ...options,
  });
  const withHeader = async (authorization: string) =>
    authenticate(new Request("http://app.test/", { headers: { authorization } }));
  const withToken = (token: string) => withHeader(`Bearer ${token}`);
  return { responses, requests, clock, withHeader, withToken };
}

function without(claim: string): JWTPayload {
  const { [claim]: _removed, ...others } = CLAIMS;
  return others;
}

const INVALID = "The token is not valid for this service. Sign in again.";

describe("a token's claims", () => {
  test.each(["exp", "iss", "aud"])("a token without the claim %s is rejected", async (claim) => {
    const token = await sign(without(claim));
    await expect(stand().withToken(token)).rejects.toMatchObject({ code: "unauthenticated", message: INVALID });
  });

  test.each([
    ["is missing", without("sub")],
    ["is empty", { ...CLAIMS, sub: "" }],
    ["is a number", { ...CLAIMS, sub: 5 as unknown as string }],
    ["has more than 255 characters", { ...CLAIMS, sub: "a".repeat(256) }],
    ["contains an unpaired surrogate", { ...CLAIMS, sub: "a\ud800" }],
  ])("a token whose sub %s is rejected with an error that names sub", async (_name, claims) => {
    await expect(stand().withToken(await sign(claims))).rejects.toMatchObject({
      code: "unauthenticated",
      message: 'The token\'s "sub" claim is missing or not valid. Use a token that the issuer made for a user.',
    });
  });

  test("a sub of 255 characters is accepted", async () => {
    const sub = "a".repeat(255);
    expect(await stand().withToken(await sign({ ...CLAIMS, sub }))).toMatchObject({ id: sub });
  });

  test("email and name of the user are read if they are strings", async () => {
    const { withToken } = stand();
    const named = await sign({ ...CLAIMS, email: "ada@example.com", name: "Ada" });
    expect(await withToken(named)).toEqual({ ...ADA, email: "ada@example.com", name: "Ada" });
    expect(await withToken(await sign({ ...CLAIMS, email: true, name: 5 }))).toEqual(ADA);
  });

  test("a token is accepted up to 30 seconds after its expiry", async () => {
    const { withToken, clock } = stand();
    const token = await sign({ ...CLAIMS, exp: NOW / 1_000 });
    clock.now = NOW + 29_000;
    expect(await withToken(token)).toEqual(ADA);
    clock.now = NOW + 30_000;
    await expect(withToken(token)).rejects.toMatchObject({
      code: "unauthenticated",
      message: "The token has expired. Sign in again.",
      cause: expect.any(errors.JWTExpired),
    });
  });
});

describe("a token's type", () => {
  test.each(["JWT", "at+jwt", "AT+JWT", "application/at+jwt"])("%s is accepted", async (typ) => {
    expect(await stand().withToken(await sign(CLAIMS, { typ }))).toEqual(ADA);
  });

  test.each(["logout+jwt", "dpop+jwt", "id+jwt"])("%s is rejected", async (typ) => {
    await expect(stand().withToken(await sign(CLAIMS, { typ }))).rejects.toMatchObject({
      code: "unauthenticated",
      message: "The token is not an access token. Send an access token.",
    });
  });
});

describe("the Authorization header", () => {
  test.each(["Bearer ", "bearer ", "BEARER   "])('is accepted with the scheme "%s"', async (scheme) => {
    expect(await stand().withHeader(`${scheme}${await sign()}`)).toEqual(ADA);
  });

  const NO_TOKEN = "The Authorization header has no bearer token. Send Authorization: Bearer <token>.";
  test.each([
    ["another scheme", "Basic YWRhOnB3"],
    ["no token", "Bearer"],
    ["no space after the scheme", "Bearerabc"],
    ["text before the scheme", "x Bearer abc"],
    ["text after the token", "Bearer abc def"],
    ["characters that no token has", "Bearer a,b"],
    ["a token of more than 16,384 characters", `Bearer ${"a".repeat(16_385)}`],
  ])("with %s is rejected", async (_name, header) => {
    const { withHeader, requests } = stand();
    await expect(withHeader(header)).rejects.toMatchObject({ code: "unauthenticated", message: NO_TOKEN });
    expect(requests).toEqual([]);
  });

  test("is accepted with a token of 16,384 characters", async () => {
    await expect(stand().withToken("a".repeat(16_384))).rejects.toMatchObject({
      message: INVALID,
      cause: expect.any(errors.JOSEError),
    });
  });
});

describe("the issuer's keys", () => {
  test("are found through the discovery document and requested only once", async () => {
    const { withToken, requests } = stand();
    await withToken(await sign());
    await withToken(await sign());
    expect(requests).toEqual([DISCOVERY, JWKS]);
  });

  test.each([ISSUER, `${ISSUER}/`, `${ISSUER}//`])("are found for the issuer %s", async (issuer) => {
    const { withToken, requests } = stand({ issuer });
    expect(await withToken(await sign())).toEqual(ADA);
    expect(requests).toEqual([DISCOVERY, JWKS]);
  });

  test("are found for an issuer whose URL has a path", async () => {
    const { withToken, requests, responses } = stand({ issuer: `${ISSUER}/tenant/` });
    responses[`${ISSUER}/tenant/.well-known/openid-configuration`] = () => Response.json({ jwks_uri: JWKS });
    const token = await sign({ ...CLAIMS, iss: `${ISSUER}/tenant/` });
    expect(await withToken(token)).toEqual(ADA);
    expect(requests).toEqual([`${ISSUER}/tenant/.well-known/openid-configuration`, JWKS]);
  });

  test("are requested without discovery if their URL is configured", async () => {
    const { withToken, requests, responses } = stand({ jwksUri: "https://keys.test/jwks" });
    responses["https://keys.test/jwks"] = () => Response.json(jwks);
    expect(await withToken(await sign())).toEqual(ADA);
    expect(requests).toEqual(["https://keys.test/jwks"]);
  });

  test("are requested with the global fetch by default", async () => {
    const issuer = await startIssuer();
    const authenticate = createOidcAuthenticate({ issuer: issuer.url, audience: issuer.audience, now: Date.now });
    const headers = { authorization: `Bearer ${await issuer.sign("ada")}` };
    expect(await authenticate(new Request("http://app.test/", { headers }))).toMatchObject({ id: "ada" });
  });

  test("are used for 24 hours and then requested again", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    onTestFinished(() => void vi.useRealTimers());
    const { withToken, requests } = stand();
    const token = await sign();
    await withToken(token);
    vi.advanceTimersByTime(24 * 3_600_000 - 1);
    await withToken(token);
    expect(requests).toEqual([DISCOVERY, JWKS]);
    vi.advanceTimersByTime(1);
    await withToken(token);
    expect(requests).toEqual([DISCOVERY, JWKS, JWKS]);
  });

  test("are requested again for an unknown key id, but at most once in a second", async () => {
    const { withToken, requests, clock } = stand();
    await withToken(await sign());
    const unknown = await sign(CLAIMS, { kid: "unknown" });
    clock.now = NOW + 999;
    await expect(withToken(unknown)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(requests).toEqual([DISCOVERY, JWKS]);
    clock.now = NOW + 1_000;
    await expect(withToken(unknown)).rejects.toMatchObject({ code: "unauthenticated" });
    await expect(withToken(unknown)).rejects.toMatchObject({ code: "unauthenticated" });
    expect(requests).toEqual([DISCOVERY, JWKS, JWKS]);
  });
});

describe("a sign-in issuer that is unavailable", () => {
  const timeout = (): never => {
    throw new DOMException("timed out", "TimeoutError");
  };
  test.each<[string, Responses, string?]>([
    [
      "its discovery document has the status 500",
      { [DISCOVERY]: () => new Response(null, { status: 500 }) },
      `the issuer returned 500 for ${DISCOVERY}`,
    ],
    [
      "its discovery document has no jwks_uri",
      { [DISCOVERY]: () => Response.json({ issuer: ISSUER }) },
      "the issuer's discovery document has no jwks_uri",
    ],
    ["its discovery document is no JSON", { [DISCOVERY]: () => new Response("<html>") }],
    ["its keys have the status 503", { [JWKS]: () => new Response(null, { status: 503 }) }],
    ["its keys are no JSON", { [JWKS]: () => new Response("<html>") }],
    ["its keys have another structure", { [JWKS]: () => Response.json({ keys: 1 }) }],
    ["its keys take too long", { [JWKS]: timeout }],
    ["its discovery document takes too long", { [DISCOVERY]: timeout }],
  ])("causes sign_in_unavailable instead of a rejected token if %s", async (_name, failing, cause = "") => {
    const { withToken, responses } = stand();
    Object.assign(responses, failing);
    await expect(withToken(await sign())).rejects.toMatchObject({
      code: "sign_in_unavailable",
      status: 503,
      message: "The issuer's keys are unavailable. Retry later.",
      cause: { message: expect.stringContaining(cause) },
    });
  });

  test.each([DISCOVERY, JWKS])("receives no request during the five seconds after a failure of %s", async (url) => {
    const { withToken, responses, requests, clock } = stand();
    const token = await sign();
    const working = responses[url];
    responses[url] = () => new Response(null, { status: 500 });
    await expect(withToken(token)).rejects.toMatchObject({ code: "sign_in_unavailable" });
    const sent = requests.length;
    responses[url] = working ?? timeout;
    clock.now = NOW + 4_999;
    await expect(withToken(token)).rejects.toMatchObject({ code: "sign_in_unavailable" });
    expect(requests).toHaveLength(sent);
    clock.now = NOW + 5_000;
    expect(await withToken(token)).toEqual(ADA);
    expect(requests.slice(sent)).toEqual(url === JWKS ? [JWKS] : [DISCOVERY, JWKS]);
  });

  test("gets a request for its discovery document, and this request has a timeout", async () => {
    const signals: unknown[] = [];
    const { withToken } = stand({
      fetch: async (_input, init) => {
        signals.push(init?.signal);
        throw new TypeError("fetch failed");
      },
    });
    await expect(withToken(await sign())).rejects.toMatchObject({ code: "sign_in_unavailable" });
    expect(signals).toEqual([expect.any(AbortSignal)]);
  });
});
