/**
 * Reads this package's version from its package.json. The relative path of package.json is the same in the sources and in the
 * published package.
 */
import { readFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };

export const VERSION: string = manifest.version;
