/** Distributes webhooks to the replicas in turn, and skips replicas that are down. */

export interface PortPicker {
  /** Returns the port of the next replica, or null if all replicas are down. */
  next(): number | null;
  markUp(port: number): void;
  /** Call this method after a replica has refused a connection, or after a connection to a replica has broken. */
  markDown(port: number): void;
}

/** A refused connection costs time, so the test waits before it tries a stopped replica's port again. */
const RETRY_PORT_MS = 30;

export function createPortPicker(ports: readonly number[], probeTimeoutMs: number): PortPicker {
  /** Maps the port of each replica that is down to the time of the next connection attempt. */
  const down = new Map<number, number>();
  let turn = 0;
  return {
    markUp: (port) => void down.delete(port),
    markDown: (port) => void down.set(port, performance.now() + RETRY_PORT_MS),
    next() {
      for (let tries = 0; tries < ports.length; tries += 1) {
        turn += 1;
        const port = ports[turn % ports.length] ?? 0;
        const retryAt = down.get(port);
        if (retryAt === undefined) return port;
        if (retryAt > performance.now()) continue;
        // A single webhook request checks whether a stopped replica listens on its port again. Until the check of a replica's
        // port has ended, all other webhooks go to the ports of other replicas.
        down.set(port, performance.now() + probeTimeoutMs);
        return port;
      }
      return null;
    },
  };
}
