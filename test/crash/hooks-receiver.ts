/** The app that hooks are posted to: checks who speaks, remembers what it was told and in which order, and fails now and then. */
import { createHmac, timingSafeEqual } from "node:crypto";
import { createServer } from "node:http";
import type { Chance } from "../simulation/chance.ts";

export interface ToldHook {
  id: string;
  type: string;
  body: { userId: string; features?: string[]; invoiceId?: string };
}

export interface HooksReceiver {
  url: string;
  secret: string;
  /** What was told, each time, in the order it came. */
  told: ToldHook[];
  /** What is wrong with it: a signature that does not fit. */
  problems: string[];
  close(): Promise<void>;
}

const KEY = Buffer.from("an app's key of 24 bytes or more");
/** How often the app can't take it: it is told again. */
const FAILS = 0.01;

export async function receiveHooks(port: number, chance: Chance): Promise<HooksReceiver> {
  const told: ToldHook[] = [];
  const problems: string[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const text = Buffer.concat(chunks).toString();
      const id = String(request.headers["webhook-id"]);
      const signed = `${id}.${String(request.headers["webhook-timestamp"])}.${text}`;
      const expected = Buffer.from(`v1,${createHmac("sha256", KEY).update(signed).digest("base64")}`);
      const given = Buffer.from(String(request.headers["webhook-signature"]));
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        problems.push(`the hook ${id} is not signed as it should be`);
        response.writeHead(400).end();
        return;
      }
      if (chance.happens(FAILS)) {
        response.writeHead(500).end();
        return;
      }
      const { type, data } = JSON.parse(text) as { type: string; data: ToldHook["body"] };
      told.push({ id, type, body: data });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${port}/hooks`,
    secret: `whsec_${KEY.toString("base64")}`,
    told,
    problems,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
