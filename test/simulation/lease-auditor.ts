/**
 * Watches who works on what: at most one holder of a lane at a time, by the clock of whoever takes it; and whoever has lost a
 * row to another has no say in it any more.
 */
import type { Write } from "./auditor.ts";

export interface LeaseAuditor {
  note(write: Write): void;
}

interface Lease {
  lane: string;
  /** Absent in the outbox. */
  objectId: string | undefined;
  attempts: number;
  leasedUntil: number;
  /** Settled, or past its time when another took the lane. */
  isOver: boolean;
}

interface ClaimedRow {
  seq: number;
  attempts: number;
  lane?: string;
  userId?: string;
  objectId?: string;
}

export function createLeaseAuditor(violate: (text: string) => void): LeaseAuditor {
  /** table -> row -> its last lease. */
  const tables = new Map<string, Map<number, Lease>>([
    ["inbox", new Map()],
    ["outbox", new Map()],
  ]);

  const take = (table: string, rows: readonly ClaimedRow[], now: number, leasedUntil: number): void => {
    const leases = tables.get(table) ?? new Map<number, Lease>();
    for (const { seq, attempts, objectId, lane = "", userId = lane } of rows) {
      for (const other of leases.values()) {
        if (other.isOver || other.lane !== userId) continue;
        // Its holder may still live, and hold the row on; the lane is another's all the same.
        if (other.leasedUntil <= now) other.isOver = true;
        else violate(`I2: two work on ${userId} in the ${table} at once`);
      }
      leases.set(seq, { lane: userId, objectId, attempts, leasedUntil, isOver: false });
    }
  };

  /** An answer does whatever hints of what it told had come before, in whosever hands they are. */
  const endAnswered = ({ lane, objectId = "" }: ClaimedRow, others: readonly string[]): void => {
    const answered = [objectId, ...others];
    for (const lease of tables.get("inbox")?.values() ?? [])
      if (lease.lane === lane && answered.includes(lease.objectId ?? "")) lease.isOver = true;
  };

  return {
    note({ method, args, result }) {
      const [table = "", name] = method.split(".");
      const leases = tables.get(table);
      if (!leases) return;
      if (name === "claim") take(table, result as ClaimedRow[], args[1] as number, args[2] as number);
      if (result !== true) return;
      const claim = args[0] as ClaimedRow;
      const lease = leases.get(claim.seq);
      if (!lease) return;
      if (lease.attempts !== claim.attempts)
        violate(`I2: ${method} of row ${claim.seq} by attempt ${claim.attempts}, though ${lease.attempts} had it`);
      if (name === "renew") lease.leasedUntil = args[1] as number;
      else lease.isOver = true;
      if (method === "inbox.complete") endAnswered(claim, (args[1] as string[] | undefined) ?? []);
    },
  };
}
