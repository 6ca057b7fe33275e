/** Checks operations against the rules I6 and I7. */
import type { Store } from "../../packages/tollkeeper/src/store/store.ts";
import type { AuditedPlan, Violate } from "./audit-types.ts";
import { checkCheckout } from "./stripe-books.ts";
import type { StripeHistory } from "./stripe-history.ts";

export interface Intent {
  kind: string;
  subject: string;
}

export interface OperationAuditor {
  begun(intent: Intent): void;
  /** Call this function when the service records the outcome of an operation. */
  finished(args: readonly string[]): void;
  /** Checks that no recorded outcome of an operation has changed. */
  check(store: Store): Promise<void>;
  /** Checks that no operation is pending. */
  checkEnd(store: Store): Promise<void>;
}

export interface OperationAuditorOptions {
  history: StripeHistory;
  plans: readonly AuditedPlan[];
  now(): number;
  violate: Violate;
}

const MAX_REPORTED = 10;

export function createOperationAuditor(options: OperationAuditorOptions): OperationAuditor {
  const { history, plans, now, violate } = options;
  /** Maps each operation to its first outcome. */
  const outcomes = new Map<string, string>();
  const intents = new Map<string, Intent>();
  return {
    begun({ kind, subject }) {
      intents.set(`${kind} ${subject}`, { kind, subject });
      const tables = history.tables();
      if (tables && kind === "checkout")
        checkCheckout(tables, plans, { subject, now: now(), isMoved: history.isMoved }, violate);
    },
    finished([id = "", state, result]) {
      if (!outcomes.has(id)) outcomes.set(id, `${state} ${result}`);
    },
    async check(store) {
      for (const { kind, subject } of intents.values()) {
        const operation = await store.operations.findCurrent(kind, subject);
        const first = operation && outcomes.get(operation.id);
        if (first && first !== `${operation.state} ${operation.result}`)
          violate(`I7: ${kind} of ${subject} ended in ${first}, but is now ${operation.state} ${operation.result}`);
      }
    },
    async checkEnd(store) {
      for (const { kind, subject } of await store.operations.listPending(now(), null, MAX_REPORTED))
        violate(`I7: ${kind} of ${subject} was never finished`);
    },
  };
}
