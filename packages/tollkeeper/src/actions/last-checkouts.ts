/** Loads a user's last checkout in each plan group, with the current state of its session at Stripe. */
import { isLongExpired, type LastCheckout } from "../domain/checkout.ts";
import { settledGeneration } from "../domain/operations.ts";
import { ownerKey, userOwner } from "../domain/owner.ts";
import { parseStored } from "../domain/stored-json.ts";
import type { User } from "../domain/user.ts";
import type { ActionContext } from "./context.ts";

/** The kind of the operation that creates a checkout session. */
export const CHECKOUT_KIND = "checkout";

/** The result of a checkout operation. The row of the operation has the fingerprint of the session's parameters. */
export type OpenedCheckout = Omit<LastCheckout, "fingerprint">;

/** Returns the subject of the operations that create the user's checkout sessions in a plan group. */
export function checkoutSubject(user: User, group: string): string {
  return `${ownerKey(userOwner(user.id))} ${group}`;
}

/**
 * Returns the last checkout of a subject; null if there is none. Retrieves its session from Stripe, because only Stripe knows
 * if the session is still open. `generation` is the sequence number on which a decision about the checkout is based.
 */
export async function loadLastCheckout(
  context: ActionContext,
  subject: string,
): Promise<{ last: LastCheckout | null; generation: number }> {
  const { opened, generation } = await findOpened(context, subject);
  return { last: opened && (await refresh(context, opened)), generation };
}

/**
 * Returns the user's last checkout of each given plan group that may still be open. Sends no request to Stripe about a session
 * that expired long ago.
 */
export async function loadLastCheckouts(
  context: ActionContext,
  user: User,
  groups: readonly string[],
): Promise<Map<string, LastCheckout>> {
  const now = context.runtime.billingNow();
  const loaded = await Promise.all(
    groups.map(async (group) => {
      const { opened } = await findOpened(context, checkoutSubject(user, group));
      if (opened === null || isLongExpired(opened.session, now)) return [];
      const last = await refresh(context, opened);
      return last === null ? [] : [[group, last] as const];
    }),
  );
  return new Map(loaded.flat());
}

/** Returns the last checkout of a subject, with its session as Stripe created it. */
async function findOpened(
  { store }: ActionContext,
  subject: string,
): Promise<{ opened: LastCheckout | null; generation: number }> {
  const operation = await store.operations.findCurrent(CHECKOUT_KIND, subject);
  const generation = settledGeneration(operation);
  if (operation?.state !== "succeeded") return { opened: null, generation };
  const opened = parseStored(operation.result) as OpenedCheckout | null;
  return { opened: opened && { ...opened, fingerprint: operation.fingerprint }, generation };
}

async function refresh({ gateway }: ActionContext, opened: LastCheckout): Promise<LastCheckout | null> {
  const session = await gateway.retrieveCheckoutSession(opened.session.id);
  return session && { ...opened, session };
}
