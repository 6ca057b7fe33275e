/** Finds free ports. */
import { createServer } from "node:net";
import { threadId } from "node:worker_threads";

/** Ports below the range from which systems choose ports for outgoing connections and for servers without a fixed port. */
const FIRST = 12_200;
const LAST = 32_000;
/** Number of ports that one test file takes before another one may take the same ports. */
const PER_FILE = 100;

const start = ((process.pid * 31 + threadId) * PER_FILE) % (LAST - FIRST);
let taken = 0;

/**
 * Returns a free port that no other call in this test file returned, so that a server that starts later finds it free. Throws if
 * no port is free.
 */
export async function freePort(): Promise<number> {
  while (taken < LAST - FIRST) {
    const port = FIRST + ((start + taken) % (LAST - FIRST));
    taken += 1;
    if (await isFree(port)) return port;
  }
  throw new Error(`No port from ${FIRST} to ${LAST} is free.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}
