// Packs both packages, installs the tarballs in an empty project, and runs there what a new user runs first. The packages are
// packed without their builds, as in a fresh clone. The project has other versions of shared dependencies than this repository.
import { execFileSync } from "node:child_process";
import { existsSync, globSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { checkTestKit } from "./check-test-kit.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "tollkeeper-packages-"));
const run = (command, args, cwd = folder) =>
  execFileSync(command, args, { cwd, encoding: "utf8", shell: process.platform === "win32" });

/**
 * A script that sells a plan with both packages in one process. The emulator replaces Stripe, and the check opens no socket.
 */
const SCRIPT = `
import { createEmulator } from "@tollkeeper/emulator";
import { createTollkeeper, definePlans } from "tollkeeper";
const emulator = createEmulator();
const service = createTollkeeper({
  plans: definePlans([{ id: "pro", name: "Pro", features: ["exports"], prices: [{ interval: "month", amount: 900, currency: "usd" }] }]),
  stripeSecretKey: "sk_test_1", stripePublishableKey: "pk_test_1", stripeWebhookSecrets: ["whsec_12345678"],
  stripeApiBase: "http://127.0.0.1:12111", appUrl: "http://localhost:3000", databaseUrl: "file::memory:",
  authenticate: () => ({ id: "ada", email: null, name: null }), runWorker: false, logLevel: "silent",
  fetch: (input, init) => emulator.fetch(new Request(input, init)),
});
console.log(await service.ensureCustomer({ id: "ada", email: null, name: null }), await service.can("ada", "exports"));
await service.stop();
`;

/** Files without which an installed package can't be used. */
const NEEDED_FILES = {
  tollkeeper: [
    "dist/index.js",
    "dist/index.d.ts",
    "dist/cli/main.js",
    "dist/browser/index.js",
    "dist/testing/index.js",
    "dist/testing/index.d.ts",
    "CHANGELOG.md",
    "LICENSE",
  ],
  "@tollkeeper/emulator": ["dist/index.js", "dist/cli.js", "dist/schema/operations.json", "FIDELITY.md", "LICENSE"],
};

/** Packs a package whose build is missing. The script `prepack` must build it. */
function pack(name) {
  rmSync(join(root, name, "dist"), { recursive: true, force: true });
  const args = ["pack", "--json", "--foreground-scripts=false", "--pack-destination", folder];
  const [packed] = JSON.parse(run("npm", args, join(root, name)));
  const files = packed.files.map(({ path }) => path);
  const missing = NEEDED_FILES[packed.name].filter((path) => !files.includes(path));
  if (missing.length > 0) throw new Error(`the tarball of ${packed.name} lacks ${missing.join(", ")}`);
  return packed;
}

/** Dependencies that an app often has, too. */
const SHARED = ["stripe", "pg", "zod", "hono", "jose", "pino", "kysely"];

/**
 * Installs the lowest version of each shared dependency that our range allows. Throws if the project then has a second copy of
 * one of them.
 */
function checkSharedDependencies() {
  const { dependencies } = JSON.parse(readFileSync(join(root, "packages/tollkeeper/package.json"), "utf8"));
  const lowest = SHARED.map((name) => {
    const version = /^\^(\d+\.\d+\.\d+)$/.exec(dependencies[name])?.[1];
    if (version === undefined) throw new Error(`the range of ${name} is ${dependencies[name]}, not ^X.Y.Z`);
    return `${name}@${version}`;
  });
  run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", ...lowest]);
  for (const name of SHARED) {
    const copies = globSync(`node_modules/{,**/node_modules/}${name}/package.json`, { cwd: folder });
    if (copies.length !== 1) throw new Error(`${name} is installed ${copies.length} times: ${copies.join(", ")}`);
  }
  console.log(`one copy of each shared dependency: ${lowest.join(", ")}`);
}

try {
  const tarballs = ["packages/tollkeeper", "packages/emulator"].map((name) => {
    const packed = pack(name);
    console.log(
      `${packed.name}: ${packed.files.length} files, ${packed.size} bytes packed, ${packed.unpackedSize} unpacked`,
    );
    return join(folder, packed.filename);
  });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "empty", type: "module", private: true }));
  for (const [command, tarball] of [
    ["tollkeeper", tarballs[0]],
    ["stripe-emulator", tarballs[1]],
  ]) {
    if (existsSync(join(folder, "node_modules/@tollkeeper/emulator")))
      throw new Error("tollkeeper installs the emulator");
    run("npm", ["install", "--no-audit", "--no-fund", "--prefer-offline", tarball]);
    console.log(`${command} ${run(join(folder, "node_modules/.bin", command), ["--version"]).trim()}`);
  }
  checkSharedDependencies();
  writeFileSync(join(folder, "sell.mjs"), SCRIPT);
  const output = run(process.execPath, ["sell.mjs"]).trim();
  if (!/^cus_\w+ false$/.test(output)) throw new Error(`the installed packages printed "${output}"`);
  console.log("the installed packages create a customer and decide access");
  checkTestKit(folder, root);
} finally {
  rmSync(folder, { recursive: true, force: true });
}
