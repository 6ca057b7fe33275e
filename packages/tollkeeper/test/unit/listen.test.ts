import { once } from "node:events";
import { Agent, request, type IncomingMessage } from "node:http";
import { connect, type Socket } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { listen, type ListenLimits } from "../../src/http/listen.ts";
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

/** Opens a connection and sends a text on it. Returns the connection and a promise of everything that it receives. */
async function open(port: number, text: string): Promise<{ socket: Socket; received: Promise<string> }> {
  const socket = connect({ port, host: "127.0.0.1" });
  onTestFinished(() => void socket.destroy());
  socket.on("error", () => {});
  let received = "";
  socket.on("data", (data: Buffer) => (received += data.toString()));
  const closed = once(socket, "close").then(() => received);
  await once(socket, "connect");
  socket.write(text);
  return { socket, received: closed };
}

/** Starts a server that responds to each request after its body has arrived. */
async function serve(limits: Partial<ListenLimits>): Promise<number> {
  const port = await freePort();
  const server = await listen(
    (incoming, response) => {
      incoming.resume();
      incoming.once("end", () => response.end("stored"));
    },
    { port, host: "127.0.0.1", portName: "PORT", ...limits },
  );
  onTestFinished(() => server.close(true));
  return port;
}

const HEAD = "POST /stripe/webhook HTTP/1.1\r\nhost: app.test\r\n";
const HALF_BODY = `${HEAD}content-length: 100\r\n\r\nhalf`;

test.each([
  ["the headers of a request", HEAD, { headersTimeoutMs: 200, requestTimeoutMs: 60_000 }],
  ["the body of a request", HALF_BODY, { headersTimeoutMs: 200, requestTimeoutMs: 200 }],
])(
  "a server closes a connection soon after the time for %s is over",
  async (_name, text, limits) => {
    const { received } = await open(await serve(limits), text);
    expect(await received).toMatch(/^HTTP\/1.1 408 /);
  },
  5_000,
);

test("a server keeps an idle connection open for longer than load balancers do, by default", async () => {
  const port = await serve({});
  const { socket } = await open(port, "");
  socket.write("GET / HTTP/1.1\r\nhost: app.test\r\n\r\n");
  const [head] = (await once(socket, "data")) as [Buffer];
  expect(head.toString()).toContain("Keep-Alive: timeout=75");
});

test("a server closes an idle connection after the time that is set", async () => {
  const port = await serve({ keepAliveMs: 100 });
  const { received } = await open(port, "GET / HTTP/1.1\r\nhost: app.test\r\n\r\n");
  expect(await received).toMatch(/stored$/);
}, 5_000);

test("a server at its limit of connections closes the one that has waited longest for its request", async () => {
  const port = await serve({ maxConnections: 3 });
  const slow = [await open(port, HALF_BODY), await open(port, HEAD), await open(port, "")];
  const fast = await open(port, "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n");
  expect(await fast.received).toMatch(/stored$/);
  await slow[0]?.received;
  expect(slow.map(({ socket }) => socket.closed)).toEqual([true, false, false]);
});

test("a server at its limit of connections closes no connection whose request is being handled", async () => {
  const port = await freePort();
  const answer = Promise.withResolvers<void>();
  const taken = Promise.withResolvers<void>();
  const server = await listen(
    (_, response) => {
      taken.resolve();
      void answer.promise.then(() => response.end("stored"));
    },
    { port, host: "127.0.0.1", portName: "PORT", maxConnections: 1 },
  );
  onTestFinished(() => server.close(true));
  const busy = await open(port, "GET / HTTP/1.1\r\nhost: app.test\r\nconnection: close\r\n\r\n");
  await taken.promise;
  const refused = await open(port, "GET / HTTP/1.1\r\nhost: app.test\r\n\r\n");
  expect(await refused.received).toBe("");
  answer.resolve();
  expect(await busy.received).toMatch(/stored$/);
});
