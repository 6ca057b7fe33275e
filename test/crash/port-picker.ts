/** Distributes webhooks to the replicas in turn, and skips replicas that are down. */

export interface PortPicker {
  /** Returns the next port, or null if all replicas are down. */
  next(): number | null;
  markUp(port: number): void;
  /** Call this method when a connection was refused or broke. */
  markDown(port: number): void;
}

/** A refused connection costs time, so the picker waits before it tries the port again. */
const RETRY_PORT_MS = 30;

export function createPortPicker(ports: readonly number[], probeTimeoutMs: number): PortPicker {
  /** Maps each port that is down to the time of the next attempt. */
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
        // One request probes the port. Other requests use this port only after its result is known.
        down.set(port, performance.now() + probeTimeoutMs);
        return port;
      }
      return null;
    },
  };
}
