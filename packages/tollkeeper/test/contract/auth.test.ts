import { exportJWK, exportSPKI, generateKeyPair, SignJWT, UnsecuredJWT } from "jose";
import { beforeAll, describe, expect, test } from "vitest";
import { createOidcAuthenticate } from "../../src/auth/oidc.ts";

const ISSUER = "https://issuer.test";
const AUDIENCE = "https://api.test";
const NOW = Date.UTC(2026, 0, 1);

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let rsa: Keys;
let ec: Keys;
let stranger: Keys;

beforeAll(async () => {
  [rsa, ec, stranger] = await Promise.all([
    generateKeyPair("RS256", { extractable: true }),
    generateKeyPair("ES256", { extractable: true }),
    generateKeyPair("RS256", { extractable: true }),
  ]);
});

interface Network {
  fetch: typeof fetch;
  calls: string[];
  down: boolean;
  /** Bodies that the issuer returns instead of its documents, by the end of the URL. */
  bodies: Record<string, string>;
}

function network(): Network {
  const state: Network = {
    calls: [],
    down: false,
    bodies: {},
    fetch: async (input) => {
      const url = String(input instanceof Request ? input.url : input);
      state.calls.push(url);
      if (state.down) throw new TypeError("fetch failed");
      const body = Object.entries(state.bodies).find(([end]) => url.endsWith(end))?.[1];
      if (body !== undefined) return new Response(body);
      if (url.endsWith("/openid-configuration")) return Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks` });
      return Response.json({
        keys: [
          { ...(await exportJWK(rsa.publicKey)), kid: "rsa", alg: "RS256" },
          { ...(await exportJWK(ec.publicKey)), kid: "ec", alg: "ES256" },
        ],
      });
    },
  };
  return state;
}

const authenticator = (issuer = network(), now = () => NOW) =>
  createOidcAuthenticate({ issuer: ISSUER, audience: AUDIENCE, now, fetch: issuer.fetch });
const requestWith = (authorization?: string) =>
  new Request("http://app.test/", authorization === undefined ? {} : { headers: { authorization } });

function token(
  changes: { claims?: object; issuer?: string; audience?: string; expires?: number; subject?: string | null } = {},
) {
  const jwt = new SignJWT({ email: "ada@example.com", ...changes.claims })
    .setIssuer(changes.issuer ?? ISSUER)
    .setAudience(changes.audience ?? AUDIENCE)
    .setIssuedAt(NOW / 1000)
    .setExpirationTime(changes.expires ?? NOW / 1000 + 3600);
  return changes.subject === null ? jwt : jwt.setSubject(changes.subject ?? "auth0|ada");
}

const signed = (jwt: SignJWT) => jwt.setProtectedHeader({ alg: "RS256", kid: "rsa" }).sign(rsa.privateKey);

describe("a sign-in", () => {
  test("returns null for a request without a token", async () => {
    expect(await authenticator()(requestWith())).toBeNull();
  });

  test.each(["RS256", "ES256"] as const)("returns the subject of a valid %s token", async (alg) => {
    const keys = alg === "RS256" ? rsa : ec;
    const jwt = await token()
      .setProtectedHeader({ alg, kid: alg === "RS256" ? "rsa" : "ec" })
      .sign(keys.privateKey);
    expect(await authenticator()(requestWith(`Bearer ${jwt}`))).toEqual({
      id: "auth0|ada",
      email: "ada@example.com",
      name: null,
    });
  });

  test("accepts an issuer whose URL ends with a slash, as Auth0's issuers do", async () => {
    const jwt = await signed(token({ issuer: `${ISSUER}/` }));
    expect(await authenticator()(requestWith(`Bearer ${jwt}`))).toMatchObject({ id: "auth0|ada" });
  });

  test.each([
    ["another audience", () => signed(token({ audience: "https://other.test" }))],
    ["another issuer", () => signed(token({ issuer: "https://evil.test" }))],
    ["an issuer that begins with ours", () => signed(token({ issuer: `${ISSUER}.evil.test` }))],
    ["an expiry in the past", () => signed(token({ expires: NOW / 1000 - 60 }))],
    ["no subject", () => signed(token({ subject: null }))],
    ["a stranger's key", () => token().setProtectedHeader({ alg: "RS256", kid: "rsa" }).sign(stranger.privateKey)],
    [
      "no signature at all",
      async () =>
        new UnsecuredJWT({}).setIssuer(ISSUER).setAudience(AUDIENCE).setSubject("x").setExpirationTime("1h").encode(),
    ],
    [
      "the public key used as an HMAC secret",
      async () => {
        const secret = new TextEncoder().encode(await exportSPKI(rsa.publicKey));
        return token().setProtectedHeader({ alg: "HS256", kid: "rsa" }).sign(secret);
      },
    ],
    [
      "the type of a logout token",
      () => token().setProtectedHeader({ alg: "RS256", kid: "rsa", typ: "logout+jwt" }).sign(rsa.privateKey),
    ],
    ["no structure", async () => "abc.def.ghi"],
  ])("rejects a token with %s", async (_name, make) => {
    const authenticate = authenticator();
    const jwt = await make();
    await expect(async () => authenticate(requestWith(`Bearer ${jwt}`))).rejects.toMatchObject({
      code: "unauthenticated",
      status: 401,
    });
  });

  test.each(["Basic YWRhOnB3", "Bearer", "Bearer a b", `Bearer ${"a".repeat(20_000)}`])(
    "rejects the Authorization header %.20s",
    async (header) => {
      const authenticate = authenticator();
      await expect(async () => authenticate(requestWith(header))).rejects.toMatchObject({ code: "unauthenticated" });
    },
  );

  test("fails with the error sign_in_unavailable, not unauthenticated, while the issuer is unreachable", async () => {
    const issuer = network();
    issuer.down = true;
    let now = NOW;
    const authenticate = authenticator(issuer, () => now);
    const jwt = await signed(token());
    await expect(async () => authenticate(requestWith(`Bearer ${jwt}`))).rejects.toMatchObject({
      code: "sign_in_unavailable",
      status: 503,
    });
    issuer.down = false;
    now += 6_000;
    expect(await authenticate(requestWith(`Bearer ${jwt}`))).toMatchObject({ id: "auth0|ada" });
  });

  test("accepts a token that is signed with a known key while the issuer is unreachable", async () => {
    const issuer = network();
    const authenticate = authenticator(issuer);
    const jwt = await signed(token());
    await authenticate(requestWith(`Bearer ${jwt}`));
    issuer.down = true;
    expect(await authenticate(requestWith(`Bearer ${jwt}`))).toMatchObject({ id: "auth0|ada" });
  });

  test.each([
    ["while it is down", true],
    ["at a cold start", false],
  ])("sends at most two requests to the issuer for fifty invalid tokens %s", async (_name, down) => {
    const issuer = network();
    issuer.down = down;
    const authenticate = authenticator(issuer);
    const jwt = await token().setProtectedHeader({ alg: "RS256", kid: "rsa" }).sign(stranger.privateKey);
    await Promise.allSettled(Array.from({ length: 50 }, async () => authenticate(requestWith(`Bearer ${jwt}`))));
    expect(issuer.calls.length).toBeLessThanOrEqual(2);
  });

  test.each([
    ["/openid-configuration", "<html>"],
    ["/openid-configuration", "null"],
    ["/openid-configuration", "{}"],
    ["/openid-configuration", '{"jwks_uri":"/jwks"}'],
    ["/jwks", "<html>"],
    ["/jwks", "{}"],
    ["/jwks", '{"keys":[null]}'],
  ])("requests %s at most once for twenty tokens if the issuer returns 200 with %s", async (end, body) => {
    const issuer = network();
    issuer.bodies = { [end]: body };
    let now = NOW;
    const authenticate = authenticator(issuer, () => now);
    const jwt = await signed(token());
    for (let sent = 0; sent < 20; sent++)
      await expect(async () => authenticate(requestWith(`Bearer ${jwt}`))).rejects.toMatchObject({
        code: "sign_in_unavailable",
      });
    expect(issuer.calls.filter((url) => url.endsWith(end))).toHaveLength(1);
    issuer.bodies = {};
    now += 6_000;
    expect(await authenticate(requestWith(`Bearer ${jwt}`))).toMatchObject({ id: "auth0|ada" });
  });

  test("refuses a token whose typ header is a number", async () => {
    const jwt = await token()
      .setProtectedHeader({ alg: "RS256", kid: "rsa", typ: 5 as unknown as string })
      .sign(rsa.privateKey);
    await expect(async () => authenticator()(requestWith(`Bearer ${jwt}`))).rejects.toMatchObject({
      code: "unauthenticated",
    });
  });

  test("fetches the issuer's keys at most once for fifty tokens with unknown key ids", async () => {
    const issuer = network();
    const authenticate = authenticator(issuer);
    await authenticate(requestWith(`Bearer ${await signed(token())}`));
    const fetched = issuer.calls.length;
    for (let at = 0; at < 50; at++) {
      const jwt = await token()
        .setProtectedHeader({ alg: "RS256", kid: `unknown-${at}` })
        .sign(stranger.privateKey);
      await expect(async () => authenticate(requestWith(`Bearer ${jwt}`))).rejects.toMatchObject({
        code: "unauthenticated",
      });
    }
    expect(issuer.calls.length - fetched).toBeLessThanOrEqual(1);
  });
});
