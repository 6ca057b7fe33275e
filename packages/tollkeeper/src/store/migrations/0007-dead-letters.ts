/** What was given up is counted with each look at the metrics, beside all that was done. */
import { STATISTICS } from "./0006-statistics.ts";
import type { MigrationStep } from "./index.ts";

export const deadLetters: MigrationStep = {
  name: "0007-dead-letters",
  statements: (dialect) => [
    `create index inbox_dead on inbox (mode, seq) where state = 'dead'`,
    `create index outbox_dead on outbox (mode, seq) where state = 'dead'`,
    ...(dialect === "sqlite" ? STATISTICS : []),
  ],
};
