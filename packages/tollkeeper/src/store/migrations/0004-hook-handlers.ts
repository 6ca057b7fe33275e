/** Adds the table of hooks that processes handle, and indexes of the outbox rows whose hook no process handles. */
import { sqliteStatistics } from "./statistics.ts";
import type { MigrationStep } from "./step.ts";

export const hookHandlers: MigrationStep = {
  name: "0004-hook-handlers",
  statements: (dialect) => [
    "create table hook_handlers (mode text not null, hook text not null, seen_at bigint not null, primary key (mode, hook))",
    "create index outbox_unhandled on outbox (mode, seq) where state = 'unhandled'",
    "create index outbox_unhandled_hooks on outbox (mode, hook) where state = 'unhandled'",
    ...(dialect === "sqlite" ? sqliteStatistics() : []),
  ],
};
