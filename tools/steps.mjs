// Runs named commands one after the other, and stops at the first failure.
import { spawn } from "node:child_process";

/** Runs one command. Resolves when the command succeeds. If the command fails, ends the current process. */
export async function run(command, args, options = {}) {
  const child = spawn(command, args, { stdio: "inherit", ...options });
  const code = await new Promise((resolve) => {
    child.once("error", () => resolve(127));
    child.once("exit", (status, signal) => resolve(signal ? 1 : status));
  });
  if (code !== 0) {
    console.error(`failed: ${command} ${args.join(" ")}`);
    process.exit(code ?? 1);
  }
}

/** Runs named steps and prints their times. */
export async function runSteps(steps) {
  for (const [name, command, ...args] of steps) {
    const startedAt = Date.now();
    console.log(`\n— ${name}`);
    await run(command, args);
    console.log(`  ${name}: ${((Date.now() - startedAt) / 1000).toFixed(1)} s`);
  }
}
