/** Declares the values that identify one queue (inbox or outbox) of one mode. */
import type { Mode } from "../../domain/records.ts";
import type { Dialect } from "../dialect.ts";

export type QueueTable = "inbox" | "outbox";

export interface QueueScope {
  mode: Mode;
  table: QueueTable;
  dialect: Dialect;
}
