/** Loads the optional peer dependency `@tollkeeper/emulator`. */
import { ConfigError } from "./errors.ts";

const PACKAGE: string = "@tollkeeper/emulator";

/** Throws `ConfigError` if the package of the emulator is not installed. Its text ends with `alternative`, if there is one. */
export async function loadEmulatorPackage<Module>(
  importModule: (name: string) => Promise<unknown> = (name) => import(name),
  alternative = "",
): Promise<Module> {
  try {
    return (await importModule(PACKAGE)) as Module;
  } catch (error) {
    if (!isNotInstalled(error)) throw error;
    throw new ConfigError([
      `The package ${PACKAGE} is not installed. Run \`npm install --save-dev ${PACKAGE}\`${alternative}.`,
    ]);
  }
}

/**
 * Returns true if the emulator's package is missing, and false if the package is installed and one of its own imports fails.
 */
function isNotInstalled(error: unknown): boolean {
  if (!(error instanceof Error) || !("code" in error)) return false;
  return error.code === "ERR_MODULE_NOT_FOUND" && error.message.includes(`'${PACKAGE}'`);
}
