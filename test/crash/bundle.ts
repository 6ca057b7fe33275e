/** The service as few files: a process of it loads in a third of the time, which is most of what a kill costs. */
import { fileURLToPath } from "node:url";
import { build } from "vite";

export interface Bundle {
  /** The program of test/crash/service.ts, and the configuration that it is to be given. */
  service: string;
  config: string;
}

/** Beside package.json's folder, as src/ and dist/ are: the version is read from there. */
const FOLDER = fileURLToPath(new URL("../../.tollkeeper/", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));

let bundled: Promise<Bundle> | null = null;

export function bundleService(): Promise<Bundle> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<Bundle> {
  await build({
    configFile: false,
    logLevel: "warn",
    // What die-at.ts steps into must be the same module there and here.
    ssr: { noExternal: true, external: ["pg"] },
    build: {
      ssr: true,
      outDir: FOLDER,
      emptyOutDir: false,
      rolldownOptions: {
        input: { "crash-service": `${HERE}service.ts`, "crash-config": `${HERE}tollkeeper.config.ts` },
        output: { entryFileNames: "[name].js", chunkFileNames: "crash-[name].js" },
      },
    },
  });
  return { service: `${FOLDER}crash-service.js`, config: `${FOLDER}crash-config.js` };
}
