// npm run crash -- [--kills N] [--store sqlite|postgres] [--seed S] [--part NAME]: kills the service for real while webhooks
// arrive, and compares what is left with what it has acknowledged. Parts: random, marks, restarts, disk, two, four.
import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";

const MAIN = fileURLToPath(new URL("../test/crash/main.ts", import.meta.url));
const child = spawn(process.execPath, [MAIN, ...process.argv.slice(2)], { stdio: "inherit" });
// Ends the killing; what has been until then is judged.
process.on("SIGTERM", () => child.kill("SIGTERM"));
child.on("exit", (code) => process.exit(code ?? 1));
