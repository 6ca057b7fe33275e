/** Starts a token issuer like Auth0 on a free port. The issuer serves a discovery document and its public keys. */
import { createServer } from "node:http";
import { exportJWK, generateKeyPair, SignJWT } from "jose";
import { onTestFinished } from "vitest";
import { freePort } from "./ports.ts";

export interface TestIssuer {
  url: string;
  audience: string;
  sign(userId: string): Promise<string>;
}

const AUDIENCE = "https://api.example.com";
const KEY_ID = "test";

export async function startIssuer(): Promise<TestIssuer> {
  const { publicKey, privateKey } = await generateKeyPair("RS256");
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: KEY_ID, alg: "RS256" }] };
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const server = createServer((request, response) => {
    const document = request.url === "/jwks" ? jwks : { issuer: url, jwks_uri: `${url}/jwks` };
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
    sign: (userId) =>
      new SignJWT({ email: `${userId}@example.com` })
        .setProtectedHeader({ alg: "RS256", kid: KEY_ID })
        .setSubject(userId)
        .setIssuer(url)
        .setAudience(AUDIENCE)
        .setIssuedAt()
        .setExpirationTime("1h")
        .sign(privateKey),
  };
}
