/** Runs the app that receives the hooks. The app checks signatures, records the hooks in their order, and sometimes fails. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer, type IncomingMessage } from "node:http";
import type { SeededRandom } from "../simulation/seeded-random.ts";

export interface ReceivedHook {
  id: string;
  type: string;
  body: { owner: { kind: "user" | "organization"; id: string }; features?: string[]; invoiceId?: string };
}

export interface HookReceiver {
  url: string;
  secret: string;
  /** Contains all received hooks in the order of arrival, including repeated hooks. */
  received: ReceivedHook[];
  /** The hooks that arrived with a wrong signature. */
  problems: string[];
  close(): Promise<void>;
}

const KEY = Buffer.from("an app's key of 24 bytes or more");
/** The share of hooks for which the app returns an error. The service sends a hook again if the app returned an error. */
const FAILURE_RATE = 0.01;

export async function startHookReceiver(port: number, random: SeededRandom): Promise<HookReceiver> {
  const received: ReceivedHook[] = [];
  const problems: string[] = [];
  const receive = ({ headers }: IncomingMessage, text: string): number => {
    const id = String(headers["webhook-id"]);
    if (!isSigned(headers, text)) {
      problems.push(`the signature of hook ${id} is wrong`);
      return 400;
    }
    if (random.happens(FAILURE_RATE)) return 500;
    const { type, data } = JSON.parse(text) as { type: string; data: ReceivedHook["body"] };
    received.push({ id, type, body: data });
    return 204;
  };
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => response.writeHead(receive(request, Buffer.concat(chunks).toString())).end());
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    secret: `whsec_${KEY.toString("base64")}`,
    received,
    problems,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function isSigned(headers: IncomingMessage["headers"], text: string): boolean {
  const signed = `${String(headers["webhook-id"])}.${String(headers["webhook-timestamp"])}.${text}`;
  const expected = Buffer.from(`v1,${createHmac("sha256", KEY).update(signed).digest("base64")}`);
  const given = Buffer.from(String(headers["webhook-signature"]));
  return given.length === expected.length && timingSafeEqual(given, expected);
}
