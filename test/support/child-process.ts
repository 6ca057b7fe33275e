/** Starts and ends the child processes of tests. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";

/** The user id of an operating system account without privileges. */
const UNPRIVILEGED = 65534;

/**
 * The user and group ids with which to start a program that refuses to run as root, such as PostgreSQL. Null if the current user
 * is not root.
 */
export const UNPRIVILEGED_IDS: { uid: number; gid: number } | null =
  process.getuid?.() === 0 ? { uid: UNPRIVILEGED, gid: UNPRIVILEGED } : null;

/** Ends a process with a signal, and waits for its end. Returns immediately if the process has already ended. */
export async function endProcess(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const closed = once(child, "close");
  child.kill(signal);
  await closed;
}
