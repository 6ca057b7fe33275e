/**
 * Bundles the service into few files, so that crash tests start it faster. The bundle loads in a third of the time that the
 * unbundled code needs. Loading the code takes most of the time that a process needs to start again after a kill.
 */
import { fileURLToPath } from "node:url";
import { build } from "vite";

export interface Bundle {
  /** The path of the bundled test/crash/service.ts. */
  service: string;
  /** The path of the bundled configuration, which is the command line argument of the service. */
  config: string;
}

/** The bundle's folder is next to packages/, because the bundled code reads its version from a package.json in a parent
 * folder. */
const FOLDER = fileURLToPath(new URL("../../.tollkeeper/", import.meta.url));
const HERE = fileURLToPath(new URL(".", import.meta.url));

let bundled: Promise<Bundle> | null = null;

/** Creates the bundle of the service when a test process first needs the bundle. */
export function bundleService(): Promise<Bundle> {
  bundled ??= bundle();
  return bundled;
}

async function bundle(): Promise<Bundle> {
  await build({
    configFile: false,
    logLevel: "warn",
    // The bundle and kill-at-point.ts must load the same copy of the module pg.
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
