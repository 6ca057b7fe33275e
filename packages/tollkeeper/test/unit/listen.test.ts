import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen } from "../../src/http/listen.ts";
import { freePort } from "../../../../test/support/ports.ts";

const CLIENTS = 4;
const ENOUGH = 50;
const TOO_MANY = 2_000;

test("a server that closes answers what it has taken, and ends though its clients always have one more request", async () => {
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
  /** False where it was not taken: the connection had just ended, or nobody is there any more. */
  const send = async (): Promise<boolean> => {
    const sending = request({ agent, port, method: "POST" });
    // One that ends while it is asked says so twice.
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

test("a connection whose last answer was on its way ends without another request", async () => {
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
  // Sooner than Node ends what nobody uses.
}, 3_000);

test("a connection on which nothing was ever asked does not keep a server", async () => {
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
