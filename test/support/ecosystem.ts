/** Installs the published npm packages that `test/ecosystem` tests, from the lockfile in the folder `test/ecosystem`. */
import { spawn } from "node:child_process";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const FOLDER = fileURLToPath(new URL("../ecosystem/", import.meta.url));
const LOCKFILE = `${FOLDER}package-lock.json`;
/** A copy of the lockfile from the last complete installation. */
const INSTALLED = `${FOLDER}node_modules/.installed-lock.json`;

/** Does nothing if the npm packages are already installed. */
export async function installEcosystem(): Promise<void> {
  if (existsSync(INSTALLED) && readFileSync(INSTALLED, "utf8") === readFileSync(LOCKFILE, "utf8")) return;
  console.log("— packages for test/ecosystem");
  await npm("ci", "--ignore-scripts");
  copyFileSync(LOCKFILE, INSTALLED);
}

async function npm(...args: string[]): Promise<void> {
  const child = spawn("npm", args, { cwd: FOLDER, stdio: "inherit", shell: process.platform === "win32" });
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", resolve);
  });
  if (code !== 0) throw new Error(`npm ${args.join(" ")} in test/ecosystem ended with ${code}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await installEcosystem();
