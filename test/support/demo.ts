/** The demo on free ports, with its state in a folder of its own. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDemo, type Demo } from "../../src/demo/index.ts";

export interface TestDemo extends Demo {
  remove(): Promise<void>;
}

export async function startTestDemo(): Promise<TestDemo> {
  const folder = mkdtempSync(join(tmpdir(), "tollkeeper-demo-"));
  const [port, emulatorPort] = [await freePort(), await freePort()];
  const demo = await startDemo({ port, emulatorPort, folder, logLevel: "silent" });
  return {
    ...demo,
    async remove() {
      await demo.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as AddressInfo;
      server.close(() => resolve(port));
    });
  });
}
