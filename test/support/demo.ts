/** Starts the demo on free ports, with its data in a new folder. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startDemo, type Demo } from "../../apps/demo/src/demo.ts";
import { freePort } from "./ports.ts";

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
