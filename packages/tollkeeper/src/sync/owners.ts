/**
 * Links customers to the owners that their metadata names. The owner of a customer is the same whether an event, a sweep or a
 * search at Stripe found the customer, because only this module decides it.
 */
import { decideLink } from "../domain/customers.ts";
import type { BillingOwner } from "../domain/owner.ts";
import type { CustomerRecord } from "../domain/records.ts";
import { raiseAlarm, type AlarmKind, type Runtime } from "../runtime.ts";
import type { CustomerLink } from "../store/mirror/customers.ts";
import type { StoreParts } from "../store/store.ts";

/** An alarm to raise after the transaction has committed. */
export interface PendingAlarm {
  kind: AlarmKind;
  fields: object;
}

/**
 * Links customers to the owners that their metadata names, and writes the customers. `linked` has the owners to which the
 * customers are linked so far. Returns the alarms to raise after the commit.
 */
export async function saveCustomers(
  parts: StoreParts,
  customers: readonly CustomerRecord[],
  linked: ReadonlyMap<string, BillingOwner>,
  now: number,
): Promise<PendingAlarm[]> {
  const decided = customers.map((customer) => decideLink(customer, linked.get(customer.id) ?? null));
  const withoutOwner = decided.flatMap((decision) => (decision.kind === "keep_last" ? [decision.customerId] : []));
  const before = await parts.customers.findCustomers(withoutOwner);
  await parts.customers.saveCustomers(customers);
  const links = decided.flatMap((decision): CustomerLink[] =>
    decision.kind === "link" || decision.kind === "move" ? [decision] : [],
  );
  await parts.customers.link(links, now);
  return [
    ...decided.flatMap(({ kind, customerId }): PendingAlarm[] =>
      kind === "move" ? [{ kind: "customer_moved", fields: { customerId } }] : [],
    ),
    ...withoutOwner.flatMap((customerId): PendingAlarm[] =>
      before.get(customerId)?.owner ? [{ kind: "owner_removed", fields: { customerId } }] : [],
    ),
    ...(await findSeveralCustomers(parts, links)),
  ];
}

/** Returns an alarm for each newly linked customer whose owner has further customers at Stripe. */
async function findSeveralCustomers(
  { customers }: Pick<StoreParts, "customers">,
  links: readonly CustomerLink[],
): Promise<PendingAlarm[]> {
  const alarms: PendingAlarm[] = [];
  for (const { owner, customerId } of links) {
    const customerIds = await customers.listCustomersOf(owner);
    if (customerIds.length > 1) alarms.push({ kind: "two_customers", fields: { customerId, customerIds } });
  }
  return alarms;
}

export function raiseAlarms(runtime: Runtime, alarms: readonly PendingAlarm[]): void {
  for (const { kind, fields } of alarms) raiseAlarm(runtime, kind, fields);
}
