/**
 * Keeps the plans and the access policy that count for all replicas. During a deploy, two versions of the app run at the same
 * time. All replicas then use the newest version's plans and policy, so that access does not change back and forth.
 */
import { createHash } from "node:crypto";
import type { AccessPolicy } from "../domain/access.ts";
import { chooseCatalogue, withRemovedPlans, type Catalogue } from "../domain/catalogue.ts";
import { canonicalJson } from "../domain/operations.ts";
import type { Plan, Plans } from "../domain/plans.ts";
import type { Runtime } from "../runtime.ts";
import type { Store } from "../store/store.ts";

/** Milliseconds without a heartbeat after which a replica no longer counts as live. */
export const DEAD_AFTER_MS = 35_000;

export interface CurrentCatalogue {
  /** The plans and the policy that count now. Both objects stay the same, and `follow` changes their content. */
  plans: Plans;
  policy: AccessPolicy;
  /** Fingerprint of the plans and the policy of this replica's own code. */
  own: string;
  /** Registers this replica's own plans and policy, then follows. */
  register(): Promise<CatalogueState>;
  /** Takes over the plans and the policy that count for all replicas. */
  follow(): Promise<CatalogueState>;
}

export interface CatalogueState {
  /** Fingerprint of the plans and the policy that count. */
  fingerprint: string;
  /** True if no running replica has other plans or another policy in its code. */
  isShared: boolean;
  /** The plans in the code of the version that counts, without removed plans. */
  inCode: Plans;
}

export function createCurrentCatalogue(
  { store, runtime }: { store: Pick<Store, "catalogues">; runtime: Pick<Runtime, "now"> },
  code: Catalogue,
): CurrentCatalogue {
  const plans: Plan[] = [...code.plans];
  const policy: AccessPolicy = { ...code.policy };
  const own = createHash("sha256").update(canonicalJson(code)).digest("hex");
  let followed: string | null = null;
  const takeOver = async (): Promise<CatalogueState> => {
    const running = await store.catalogues.listRunning(runtime.now() - DEAD_AFTER_MS, own);
    const chosen = chooseCatalogue(running);
    const known = await store.catalogues.listKnownPlans();
    const fingerprint = chosen?.fingerprint ?? own;
    const counting: Catalogue = chosen === null || fingerprint === own ? code : chosen;
    const content = canonicalJson([fingerprint, known]);
    if (content !== followed) {
      followed = content;
      plans.splice(0, plans.length, ...withRemovedPlans(counting.plans, known));
      Object.assign(policy, code.policy, counting.policy);
    }
    return { fingerprint, isShared: running.length <= 1, inCode: counting.plans };
  };
  let previous: Promise<unknown> = Promise.resolve();
  /** Runs one call after the other, because a slow older reading would replace a newer one. */
  const follow = (): Promise<CatalogueState> => {
    const next = previous.then(takeOver, takeOver);
    previous = next;
    return next;
  };
  return {
    plans,
    policy,
    own,
    async register() {
      await store.catalogues.register(own, code);
      const state = await follow();
      if (state.fingerprint === own) await store.catalogues.rememberPlans(code.plans);
      return state;
    },
    follow,
  };
}
