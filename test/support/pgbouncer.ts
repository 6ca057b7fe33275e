/** Runs PgBouncer, a connection pooler for PostgreSQL, in transaction mode with its defaults. */
import { spawn, spawnSync } from "node:child_process";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { onTestFinished } from "vitest";
import { endProcess, UNPRIVILEGED_IDS } from "./child-process.ts";
import { freePort } from "./ports.ts";

/** False if the program `pgbouncer` is not installed. On Debian, install it with `apt-get install pgbouncer`. */
export const HAS_PGBOUNCER = spawnSync("pgbouncer", ["--version"], { stdio: "ignore" }).status === 0;

const MAX_TRIES = 200;
const TRY_AGAIN_MS = 25;

/**
 * Starts PgBouncer for a database, and returns the URL with which clients connect to it. Stops it at the end of the test. The
 * parameter `setting` is a line of PgBouncer's configuration. Throws if PgBouncer does not start.
 */
export async function startPgBouncer(databaseUrl: string, setting = ""): Promise<string> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const listenPort = await freePort();
  const folder = mkdtempSync(join(tmpdir(), "pgbouncer-"));
  chmodSync(folder, 0o755);
  const file = join(folder, "pgbouncer.ini");
  const server = `host=${hostname} port=${port} user=${username}${password === "" ? "" : ` password=${password}`}`;
  writeFileSync(
    file,
    `[databases]\n* = ${server}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = ${listenPort}\nauth_type = any\npool_mode = transaction\nunix_socket_dir =\n${setting}\n`,
  );
  const program = spawn("pgbouncer", [file], { ...UNPRIVILEGED_IDS, stdio: "ignore" });
  onTestFinished(async () => {
    await endProcess(program, "SIGINT");
    rmSync(folder, { recursive: true, force: true });
  });
  for (let tries = 0; !(await accepts(listenPort)); tries += 1) {
    if (tries > MAX_TRIES || program.exitCode !== null) throw new Error("PgBouncer did not start");
    await wait(TRY_AGAIN_MS);
  }
  return `postgres://${username}@127.0.0.1:${listenPort}${pathname}`;
}

/** Returns true if a program accepts connections at the port. */
function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const finish = (accepted: boolean): void => {
      socket.destroy();
      resolve(accepted);
    };
    socket.once("connect", () => finish(true)).once("error", () => finish(false));
  });
}
