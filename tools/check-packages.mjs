// Packs both packages, installs the tarballs in an empty project, and runs there what a new user runs first.
import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

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

try {
  const tarballs = ["packages/tollkeeper", "packages/emulator"].map((name) => {
    const [packed] = JSON.parse(run("npm", ["pack", "--json", "--pack-destination", folder], join(root, name)));
    const emulatorFiles = packed.files.filter(({ path }) => /emulator/.test(path));
    if (packed.name === "tollkeeper" && emulatorFiles.length > 0)
      throw new Error(`the tarball of tollkeeper contains ${emulatorFiles.map(({ path }) => path).join(", ")}`);
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
  writeFileSync(join(folder, "sell.mjs"), SCRIPT);
  const output = run(process.execPath, ["sell.mjs"]).trim();
  if (!/^cus_\w+ false$/.test(output)) throw new Error(`the installed packages printed "${output}"`);
  console.log("the installed packages create a customer and decide access");
} finally {
  rmSync(folder, { recursive: true, force: true });
}
