/** A sign-in for made-up users: a small OpenID Connect issuer, so that the demo checks tokens as production does. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, SignJWT, type JWK } from "jose";

export interface Issuer {
  issuer: string;
  audience: string;
  /** Returns an access token that is valid for one hour. */
  sign(user: { userId: string; email: string | null }): Promise<string>;
  discovery: { issuer: string; jwks_uri: string };
  jwks: { keys: JWK[] };
}

export const DEMO_AUDIENCE = "tollkeeper-demo";
const ALGORITHM = "ES256";
const TOKEN_LIFETIME = "1h";
const OWNER_ONLY = 0o600;

/** Creates the issuer. The issuer's signing key is kept in a file, so that tokens stay valid after a restart. */
export async function createIssuer(url: string, keyFile: string): Promise<Issuer> {
  const jwk = await loadKey(keyFile);
  const { d: _private, ...publicJwk } = jwk;
  const key = await importJWK(jwk, ALGORITHM);
  const kid = await calculateJwkThumbprint(publicJwk);
  return {
    issuer: url,
    audience: DEMO_AUDIENCE,
    discovery: { issuer: url, jwks_uri: `${url}/jwks` },
    jwks: { keys: [{ ...publicJwk, kid, alg: ALGORITHM, use: "sig" }] },
    sign: ({ userId, email }) =>
      new SignJWT(email === null ? {} : { email })
        .setProtectedHeader({ alg: ALGORITHM, kid })
        .setSubject(userId)
        .setIssuer(url)
        .setAudience(DEMO_AUDIENCE)
        .setIssuedAt()
        .setExpirationTime(TOKEN_LIFETIME)
        .sign(key),
  };
}

async function loadKey(file: string): Promise<JWK> {
  if (existsSync(file)) return JSON.parse(readFileSync(file, "utf8")) as JWK;
  const { privateKey } = await generateKeyPair(ALGORITHM, { extractable: true });
  const jwk = await exportJWK(privateKey);
  writeFileSync(file, JSON.stringify(jwk), { mode: OWNER_ONLY });
  return jwk;
}
