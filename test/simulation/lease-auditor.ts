/**
 * Checks leases (I2). At most one replica holds a lane at a time, by the clock of the replica that claims the lane. After
 * another replica has claimed a row of the inbox or outbox, the previous replica can no longer complete that row.
 */
import type { Violate, Write } from "./audit-types.ts";

export interface LeaseAuditor {
  record(write: Write): void;
}

interface Lease {
  lane: string;
  /** Rows of the outbox have no object id. */
  objectId: string | undefined;
  attempts: number;
  leasedUntil: number;
  /**
   * True if the event or hook is done or dead. Also true if another replica has claimed its lane after the lease expired.
   */
  isOver: boolean;
}

interface ClaimedRow {
  seq: number;
  attempts: number;
  lane: string;
  objectId?: string;
}

export function createLeaseAuditor(violate: Violate): LeaseAuditor {
  /** For each row of each table, contains the latest lease of the row. */
  const tables = new Map<string, Map<number, Lease>>([
    ["inbox", new Map()],
    ["outbox", new Map()],
  ]);

  const claim = (table: string, rows: readonly ClaimedRow[], now: number, leasedUntil: number): void => {
    const leases = tables.get(table) ?? new Map<number, Lease>();
    for (const { seq, attempts, objectId, lane } of rows) {
      for (const other of leases.values()) {
        if (other.isOver || other.lane !== lane) continue;
        // The previous holder of the lane may still be running, but the lane belongs to its new holder.
        if (other.leasedUntil <= now) other.isOver = true;
        else violate(`I2: ${lane} of the ${table} has two holders at the same time`);
      }
      leases.set(seq, { lane, objectId, attempts, leasedUntil, isOver: false });
    }
  };

  /**
   * When the service stores Stripe's response, it also marks events as processed whose changes the response already contains.
   */
  const endCovered = ({ lane, objectId = "" }: ClaimedRow, others: readonly string[]): void => {
    const covered = [objectId, ...others];
    for (const lease of tables.get("inbox")?.values() ?? [])
      if (lease.lane === lane && covered.includes(lease.objectId ?? "")) lease.isOver = true;
  };

  return {
    record({ method, args, result }) {
      const [table = "", name] = method.split(".");
      const leases = tables.get(table);
      if (!leases) return;
      if (name === "claim") claim(table, result as ClaimedRow[], args[1] as number, args[2] as number);
      const isWritten = method === "inbox.complete" ? result !== null : result === true;
      if (!isWritten) return;
      const row = args[0] as ClaimedRow;
      const lease = leases.get(row.seq);
      if (!lease) return;
      if (lease.attempts !== row.attempts)
        violate(
          `I2: attempt ${row.attempts} called ${method} on row ${row.seq}, but attempt ${lease.attempts} holds it`,
        );
      if (name === "renew") lease.leasedUntil = args[1] as number;
      else lease.isOver = true;
      if (method === "inbox.complete") endCovered(row, (args[1] as string[] | undefined) ?? []);
    },
  };
}
