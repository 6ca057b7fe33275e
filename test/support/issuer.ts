/** Starts a token issuer like Auth0 on a free port. The issuer serves a discovery document and its public keys. */
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT, type JWK } from "jose";
import { onTestFinished } from "vitest";
import { freePort } from "./ports.ts";

export interface TestIssuer {
  url: string;
  audience: string;
  /** Returns an access token of a user. If `keyId` is given, the token names a key that the issuer does not have. */
  sign(userId: string, keyId?: string): Promise<string>;
  /** Replaces the issuer's key, or adds a key. Later tokens are signed with the new key. */
  rotateKey(options?: { keepOld: boolean }): Promise<void>;
  /** Returns how often the issuer's keys were requested. */
  keyRequests(): number;
}

export interface TestIssuerOptions {
  /** Default RS256. */
  algorithm?: string;
  /** If false, neither keys nor tokens have a key id. Default true. */
  keyIds?: boolean;
  /** Claims that every token has. An `aud` of `undefined` makes tokens without an audience. */
  claims?: Record<string, unknown>;
  /** Current time in epoch milliseconds. Default: the machine's clock. */
  now?: () => number;
}

type PrivateKey = Awaited<ReturnType<typeof generateKeyPair>>["privateKey"];

const AUDIENCE = "https://api.example.com";
const TOKEN_SECONDS = 3_600;

export async function startIssuer(options: TestIssuerOptions = {}): Promise<TestIssuer> {
  const { algorithm = "RS256", keyIds = true, claims = {}, now = Date.now } = options;
  let rotations = 0;
  let requests = 0;
  const newKey = async (): Promise<{ jwk: JWK; privateKey: PrivateKey }> => {
    const { publicKey, privateKey } = await generateKeyPair(algorithm);
    rotations += 1;
    const jwk = { ...(await exportJWK(publicKey)), ...(keyIds && { kid: `key_${rotations}` }), alg: algorithm };
    return { jwk, privateKey };
  };
  let key = await newKey();
  let keys = [key.jwk];
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = createServer((request, response) => {
    const isKeys = request.url === "/jwks";
    if (isKeys) requests += 1;
    const document = isKeys ? { keys } : { issuer: url, jwks_uri: `${url}/jwks` };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(document));
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return {
    url,
    audience: AUDIENCE,
    sign: async (userId, keyId = key.jwk.kid) => {
      const issuedAt = Math.floor(now() / 1_000);
      const standard = { iss: url, aud: AUDIENCE, sub: userId, iat: issuedAt, exp: issuedAt + TOKEN_SECONDS };
      return new SignJWT({ email: `${userId}@example.com`, ...standard, ...claims })
        .setProtectedHeader({ alg: algorithm, ...(keyId !== undefined && { kid: keyId }) })
        .sign(key.privateKey);
    },
    rotateKey: async ({ keepOld } = { keepOld: false }) => {
      key = await newKey();
      keys = [...(keepOld ? keys : []), key.jwk];
    },
    keyRequests: () => requests,
  };
}
