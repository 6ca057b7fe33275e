// npm run crash -- [--kills N] [--store sqlite|postgres] [--seed S] [--part NAME]: kills the service for real while webhooks
// arrive, and compares what is left with what it has acknowledged. Parts: random, marks, restarts, disk, two, four.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../test/crash/main.ts", import.meta.url));
const child = spawn(process.execPath, [MAIN, ...process.argv.slice(2)], { stdio: "inherit" });
// Once more ends at once what the first has only asked to end.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => child.kill(signal));
child.on("exit", (code) => process.exit(code ?? 1));
