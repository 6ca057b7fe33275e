// npm run crash -- [--kills N] [--store sqlite|postgres] [--seed S] [--part NAME]: kills the service while webhooks arrive, and
// checks that it lost no acknowledged event. NAME is the name of one part of the crash test: "random", "marks", "restarts",
// "disk", "two" or "four". The program writes its results to bench/results.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../test/crash/main.ts", import.meta.url));
const child = spawn(process.execPath, [MAIN, ...process.argv.slice(2)], { stdio: "inherit" });
// Forwards SIGTERM to the running test, which then stops killing processes. After the signal, the crash test still checks the
// results of the earlier kills.
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code) => process.exit(code ?? 1));
