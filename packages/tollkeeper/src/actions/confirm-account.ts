/** Confirms that the secret key belongs to the Stripe account whose objects the database mirrors. */
import { decideAccount, MAX_CHECKED_OBJECTS, type AccountFacts } from "../domain/account.ts";
import { ConfigError } from "../errors.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";
import type { StripeGateway } from "../stripe/gateway/gateway.ts";

export interface ConfirmAccountContext {
  store: Pick<Store, "accounts">;
  gateway: Pick<StripeGateway, "retrieveAccountId" | "retrieveSubscription" | "retrieveCustomer">;
  runtime: Pick<Runtime, "now" | "log">;
}

/**
 * Confirms the account, and remembers it in the database if the database remembers none. Throws `ConfigError` if the key
 * belongs to another account, and `UnavailableError` if Stripe or the store is unavailable.
 */
export async function confirmAccount(context: ConfirmAccountContext, changedTo: string | null): Promise<void> {
  const { store, gateway, runtime } = context;
  const current = await gateway.retrieveAccountId();
  const objects = current === null ? await findMirroredObjects(context) : { checked: 0, found: 0 };
  const refuseOr = async (remembered: string | null): Promise<void> => {
    const decision = decideAccount({ current, remembered, changedTo, objects });
    if (decision.kind === "accept") return;
    if (decision.kind === "refuse") throw new ConfigError([decision.problem]);
    const { accountId, from } = decision;
    const saved = await store.accounts.remember({ accountId, from, now: runtime.now() });
    // Another process may have remembered another account meanwhile.
    if (saved !== accountId) return refuseOr(saved);
    if (from !== null) runtime.log.warn({ from, to: accountId }, "the Stripe account of the database was changed");
  };
  await refuseOr(await store.accounts.find());
}

/** Retrieves some mirrored objects, until one exists at Stripe. */
async function findMirroredObjects({ store, gateway }: ConfirmAccountContext): Promise<AccountFacts["objects"]> {
  const sample = await store.accounts.sampleObjects(MAX_CHECKED_OBJECTS);
  for (const { object, id } of sample) {
    const found = await (object === "customer" ? gateway.retrieveCustomer(id) : gateway.retrieveSubscription(id));
    if (found !== null) return { checked: sample.length, found: 1 };
  }
  return { checked: sample.length, found: 0 };
}
