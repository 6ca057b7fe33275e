/** Tests sign-ins with the tokens of an issuer that is a real server. */
import { describe, expect, test } from "vitest";
import { startIssuer, type TestIssuer, type TestIssuerOptions } from "../../../../test/support/issuer.ts";
import { createOidcAuthenticate, type OidcOptions } from "../../src/auth/oidc.ts";
import type { User } from "../../src/domain/user.ts";

const START = Date.UTC(2026, 0, 1);
const REFUSED = { code: "unauthenticated", status: 401 };

interface Stand {
  issuer: TestIssuer;
  clock: { now: number };
  signIn(token: string): Promise<User | null>;
}

/** Starts an issuer, and creates a sign-in for its tokens. Both use the test's clock. */
async function stand(
  issuerOptions: TestIssuerOptions = {},
  options: Partial<Omit<OidcOptions, "issuer" | "now">> = {},
): Promise<Stand> {
  const clock = { now: START };
  const now = () => clock.now;
  const issuer = await startIssuer({ ...issuerOptions, now });
  const authenticate = createOidcAuthenticate({ issuer: issuer.url, audience: issuer.audience, now, ...options });
  return {
    issuer,
    clock,
    signIn: async (token) =>
      authenticate(new Request("http://app.test/", { headers: { authorization: `Bearer ${token}` } })),
  };
}

describe("the algorithm of a token's signature", () => {
  test.each(["RS256", "RS512", "PS256", "PS384", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"])(
    "is accepted if it is %s",
    async (algorithm) => {
      const { issuer, signIn } = await stand({ algorithm });
      expect(await signIn(await issuer.sign("ada"))).toMatchObject({ id: "ada" });
    },
  );

  test("is refused if it is not one of the configured algorithms", async () => {
    const { issuer, signIn } = await stand({ algorithm: "PS256" }, { algorithms: ["RS256", "ES384"] });
    await expect(signIn(await issuer.sign("ada"))).rejects.toMatchObject(REFUSED);
  });

  test.each(["HS256", "HS512", "none", "dir", "rs256", ""])("can't be configured as %s", (name) => {
    const create = () =>
      createOidcAuthenticate({
        issuer: "https://a.test",
        audience: "api",
        now: () => START,
        algorithms: ["RS256", name],
      });
    expect(create).toThrow(`algorithms has "${name}": use RS256, RS384`);
  });

  test("can't be configured as an empty list", () => {
    const options = { issuer: "https://a.test", audience: "api", now: () => START, algorithms: [] };
    expect(() => createOidcAuthenticate(options)).toThrow("algorithms is empty");
  });
});

describe("a token without an audience", () => {
  const ours = { clientIds: ["web", "app"], audience: undefined };

  test.each<[name: string, claims: Record<string, unknown>, isAccepted: boolean]>([
    ["azp names one of ours", { azp: "web" }, true],
    ["client_id names one of ours", { client_id: "app" }, true],
    ["both name ours", { azp: "web", client_id: "app" }, true],
    ["azp names another client", { azp: "other" }, false],
    ["client_id names another client", { client_id: "other" }, false],
    ["one names ours and the other does not", { azp: "web", client_id: "other" }, false],
    ["it names no client", {}, false],
    ["azp is a list with ours", { azp: ["web"] }, false],
    ["azp is null", { azp: null }, false],
  ])("is judged by its client if no audience is configured: %s", async (_name, claims, isAccepted) => {
    const { issuer, signIn } = await stand({ claims: { aud: undefined, ...claims } }, ours);
    const outcome = signIn(await issuer.sign("ada")).then(
      (user) => user?.id,
      (error: { code: string }) => error.code,
    );
    expect(await outcome).toBe(isAccepted ? "ada" : "unauthenticated");
  });

  test("is refused if an audience is configured, even if its client is ours", async () => {
    const { issuer, signIn } = await stand({ claims: { aud: undefined, azp: "web" } }, { clientIds: ["web"] });
    await expect(signIn(await issuer.sign("ada"))).rejects.toMatchObject(REFUSED);
  });

  test.each([{}, { audience: "" }, { clientIds: [] }, { audience: "", clientIds: [""] }])(
    "can't be accepted from every client: %j",
    (options) => {
      const create = () => createOidcAuthenticate({ issuer: "https://a.test", now: () => START, ...options });
      expect(create).toThrow("audience is missing: set it, or set clientIds");
    },
  );
});

describe("an issuer's new key", () => {
  test("is accepted five seconds after the last request for the keys", async () => {
    const { issuer, clock, signIn } = await stand();
    await signIn(await issuer.sign("ada"));
    await issuer.rotateKey();
    clock.now += 5_000;
    expect(await signIn(await issuer.sign("ada"))).toMatchObject({ id: "ada" });
    expect(issuer.keyRequests()).toBe(2);
  });

  test("is requested once for tokens that arrive at the same time, and all of them are accepted", async () => {
    const { issuer, clock, signIn } = await stand();
    await signIn(await issuer.sign("ada"));
    await issuer.rotateKey();
    clock.now += 5_000;
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, at) => issuer.sign(`user_${at}`)));
    const users = await Promise.all(tokens.map(signIn));
    expect(users.map((user) => user?.id)).toEqual(tokens.map((_, at) => `user_${at}`));
    expect(issuer.keyRequests()).toBe(2);
  });

  test("is accepted while an attacker sends random key ids, which cause one request a second and ten a minute", async () => {
    const { issuer, clock, signIn } = await stand();
    const known = await issuer.sign("ada");
    await signIn(known);
    const perSecond: number[] = [];
    for (let second = 0; second < 120; second++) {
      const before = issuer.keyRequests();
      for (const part of [0, 250, 500, 750]) {
        clock.now = START + second * 1_000 + part;
        await expect(signIn(await issuer.sign("mallory", `random_${second}_${part}`))).rejects.toMatchObject(REFUSED);
        expect(await signIn(known)).toMatchObject({ id: "ada" });
      }
      perSecond.push(issuer.keyRequests() - before);
    }
    expect(Math.max(...perSecond)).toBe(1);
    const inMinute = (start: number) => perSecond.slice(start, start + 60).reduce((sum, count) => sum + count, 0);
    expect(Math.max(...perSecond.map((_, second) => inMinute(second)))).toBeLessThanOrEqual(10);
    await issuer.rotateKey();
    clock.now += 60_000;
    expect(await signIn(await issuer.sign("grace"))).toMatchObject({ id: "grace" });
  });
});

describe("a token with a new key, sent each second while the issuer is unreachable", () => {
  /** Signs in once per second from second 1 to `last`. The issuer is unreachable until `outageEnds`. Returns the outcomes. */
  async function signInEachSecond({ outageEnds, last }: { outageEnds: number; last: number }): Promise<string[]> {
    const outage = { isOn: false, requests: 0 };
    const fetchUnlessDown: typeof fetch = async (...request) => {
      if (!outage.isOn) return fetch(...request);
      outage.requests += 1;
      throw new TypeError("fetch failed");
    };
    const { issuer, clock, signIn } = await stand({}, { fetch: fetchUnlessDown });
    await signIn(await issuer.sign("ada"));
    await issuer.rotateKey();
    const outcomes: string[] = [];
    for (let second = 1; second <= last; second++) {
      clock.now = START + second * 1_000;
      outage.isOn = second < outageEnds;
      const outcome = signIn(await issuer.sign("ada")).then(
        (user) => user?.id ?? "no user",
        (error: { code: string }) => error.code,
      );
      outcomes.push(await outcome);
    }
    expect(outage.requests).toBeLessThanOrEqual(Math.ceil(outageEnds / 5));
    return outcomes;
  }

  test("is accepted five seconds after the last failed request for the keys", async () => {
    // The service requests the keys in the seconds 1, 6, 11 and 16.
    expect(await signInEachSecond({ outageEnds: 12, last: 60 })).toEqual([
      ...Array.from({ length: 15 }, () => "sign_in_unavailable"),
      ...Array.from({ length: 45 }, () => "ada"),
    ]);
  });

  test("is never called invalid, even if the outage uses up the requests of a minute", async () => {
    const outcomes = await signInEachSecond({ outageEnds: 100, last: 130 });
    expect(outcomes).not.toContain("unauthenticated");
    expect(outcomes.at(-1)).toBe("ada");
  });
});

test("a key that the issuer has withdrawn is refused after ten minutes", async () => {
  const { issuer, clock, signIn } = await stand();
  const old = await issuer.sign("ada");
  await signIn(old);
  await issuer.rotateKey();
  clock.now += 599_000;
  expect(await signIn(old)).toMatchObject({ id: "ada" });
  expect(issuer.keyRequests()).toBe(1);
  clock.now += 1_000;
  // The first token after ten minutes causes the request, and does not wait for it.
  expect(await signIn(old)).toMatchObject({ id: "ada" });
  await expect.poll(() => signIn(old).catch((error: unknown) => error)).toMatchObject(REFUSED);
  expect(issuer.keyRequests()).toBe(2);
});

describe("a token that names no key", () => {
  test("is accepted if one of the issuer's keys has signed it", async () => {
    const { issuer, signIn } = await stand({ keyIds: false });
    const old = await issuer.sign("ada");
    await issuer.rotateKey({ keepOld: true });
    expect(await signIn(await issuer.sign("grace"))).toMatchObject({ id: "grace" });
    expect(await signIn(old)).toMatchObject({ id: "ada" });
    expect(issuer.keyRequests()).toBe(1);
  });

  test("is accepted if a new key has signed it, and refused if a stranger's key has signed it", async () => {
    const { issuer, clock, signIn } = await stand({ keyIds: false });
    const stranger = await startIssuer({ keyIds: false, claims: { iss: issuer.url }, now: () => clock.now });
    await signIn(await issuer.sign("ada"));
    await issuer.rotateKey();
    clock.now += 5_000;
    expect(await signIn(await issuer.sign("ada"))).toMatchObject({ id: "ada" });
    for (let sent = 0; sent < 20; sent++)
      await expect(signIn(await stranger.sign("ada"))).rejects.toMatchObject(REFUSED);
    expect(issuer.keyRequests()).toBe(2);
  });
});
