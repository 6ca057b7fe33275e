/** Sends HTTP requests with headers that `fetch` does not allow, such as `Host`. */
import { request as send } from "node:http";

export interface RawRequest {
  port: number;
  method: string;
  path: string;
  headers: Record<string, string>;
  body?: string | undefined;
}

export function sendRaw({ body: sent, ...options }: RawRequest): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const request = send({ host: "127.0.0.1", ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, body }));
    });
    request.on("error", reject).end(sent);
  });
}

/** Returns headers of requests that a foreign web page makes a browser send to a port of this machine. */
export function foreignHeaders(port: number): Record<string, string>[] {
  return [
    { host: "attacker.test" },
    { host: `attacker.test:${port}` },
    { host: `localhost.attacker.test:${port}` },
    { host: `127.0.0.1.attacker.test:${port}` },
    { host: `192.0.2.7:${port}` },
    { origin: "http://attacker.test" },
    { origin: "null" },
    { origin: "http://127.0.0.1:1" },
    { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" },
    { "sec-fetch-site": "same-site", "sec-fetch-mode": "cors" },
  ];
}
