import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen } from "../../src/http/listen.ts";
import { freePort } from "../../../../test/support/ports.ts";

const CLIENTS = 4;
const ENOUGH = 50;
const TOO_MANY = 2_000;

test("a closing server responds to accepted requests, and stops even if clients send more requests", async () => {
  const port = await freePort();
  let taken = 0;
  const server = await listen(
    (incoming, response) => {
      taken += 1;
      incoming.resume();
      incoming.once("end", () => setImmediate(() => response.end("stored")));
    },
    { port, host: "127.0.0.1", portName: "PORT" },
  );
  const agent = new Agent({ keepAlive: true, maxSockets: CLIENTS });
  const warm = Promise.withResolvers<void>();
  let answered = 0;
  /** Returns false if the server did not accept the request, because the connection or the server was closed. */
  const send = async (): Promise<boolean> => {
    const sending = request({ agent, port, method: "POST" });
    // If a connection closes during a request, the request may emit an error a second time.
    sending.on("error", () => {});
    sending.end("{}");
    const [response] = (await once(sending, "response").catch(() => [null])) as [IncomingMessage | null];
    if (!response) return false;
    await once(response.resume(), "end");
    return response.statusCode === 200;
  };
  const keepSending = async (): Promise<void> => {
    while (answered < TOO_MANY && (await send())) {
      answered += 1;
      if (answered >= ENOUGH) warm.resolve();
    }
  };
  const clients = Promise.all(Array.from({ length: CLIENTS }, keepSending));
  await warm.promise;
  await server.close();
  await clients;
  expect(answered).toBeLessThan(TOO_MANY);
  expect(taken).toBe(answered);
});

test("a closing server finishes the response in progress on each connection, and then closes the connection", async () => {
  const port = await freePort();
  const taken = Promise.withResolvers<void>();
  const answer = Promise.withResolvers<void>();
  const server = await listen(
    (_, response) => {
      taken.resolve();
      void answer.promise.then(() => response.end("stored"));
    },
    { port, host: "127.0.0.1", portName: "PORT" },
  );
  const sending = request({ agent: new Agent({ keepAlive: true }), port });
  sending.end();
  await taken.promise;
  const closed = server.close();
  answer.resolve();
  const [response] = (await once(sending, "response")) as [IncomingMessage];
  expect(response.statusCode).toBe(200);
  response.resume();
  await closed;
  // Without Tollkeeper's code, Node.js would close a server's idle connections only after the test's time limit.
}, 3_000);

test("a closing server closes a connection on which no request was sent", async () => {
  const port = await freePort();
  const server = await listen(() => {}, { port, host: "127.0.0.1", portName: "PORT" });
  const spare = connect({ port, host: "127.0.0.1" });
  spare.on("error", () => {});
  await once(spare, "connect");
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  onTestFinished(() => void vi.useRealTimers());
  const closed = server.close();
  vi.advanceTimersByTime(5_000);
  await expect(closed).resolves.toBeUndefined();
});
