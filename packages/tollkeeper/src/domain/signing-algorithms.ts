/**
 * Lists the signature algorithms that access tokens may have. All of them are asymmetric: a token signed with a shared secret
 * (HS256) or without a signature (none) is never accepted. Otherwise an attacker could use a public key as the secret.
 */
export const SIGNING_ALGORITHMS: readonly string[] = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519",
  "ML-DSA-44",
  "ML-DSA-65",
  "ML-DSA-87",
];
