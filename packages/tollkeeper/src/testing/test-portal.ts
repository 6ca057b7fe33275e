/** Acts in Stripe's customer portal, as a user does. */
import type Stripe from "stripe";
import type { PlanInterval } from "../domain/plans.ts";
import { cardFields, type CardName } from "./cards.ts";
import { postForm } from "./control.ts";
import type { Pages } from "./test-checkout.ts";

/** Each method opens the portal, acts there, and throws if the portal does not allow it. */
export interface TestPortal {
  /** Opens the portal. Returns its address. */
  open(): Promise<string>;
  cancel(): Promise<void>;
  /** Undoes the cancellation. */
  resume(): Promise<void>;
  /** Saves a card and makes it the default. */
  changeCard(card: CardName): Promise<void>;
  /** Changes the plan of the subscription. */
  changePlan(plan: string, options?: { interval?: PlanInterval }): Promise<void>;
}

export interface TestPortalOptions extends Pages {
  id: string;
  /** Opens a portal session. Returns its URL. */
  open: () => Promise<string>;
  /** Returns the user's customer. Throws if there is none. */
  customerOf: () => Promise<string>;
  note: (text: string) => void;
}

export function createTestPortal(options: TestPortalOptions): TestPortal {
  const { id, stripe, emulator, settle, open, note } = options;
  const send = async (action: string, fields: Record<string, string>): Promise<string> => {
    const next = await postForm(emulator, `${new URL(await open()).pathname}/${action}`, fields);
    await settle();
    return next;
  };
  /** Sends a form about the user's subscription. Throws if the subscription is the same afterwards. */
  const change = async (action: string, fields: Record<string, string>): Promise<void> => {
    const { data } = await stripe.subscriptions.list({ customer: await options.customerOf(), limit: PAGE });
    const [subscription] = data;
    if (!subscription) throw new Error(`${id} has no subscription in the portal.`);
    await send(action, { subscription: subscription.id, ...fields });
    const after = await stripe.subscriptions.retrieve(subscription.id);
    if (stateOf(after) === stateOf(subscription))
      throw new Error(`The portal did not ${action} the subscription of ${id}. Its configuration may not allow it.`);
  };
  return {
    open,
    async cancel() {
      note("cancels in the portal");
      await change("cancel", {});
    },
    async resume() {
      note("resumes in the portal");
      await change("resume", {});
    },
    async changeCard(card) {
      note(`changes the card in the portal to ${card}`);
      const next = await send("card", cardFields(card, emulator.now()));
      if (/\/card(\?|$)/.test(next)) throw new Error(`The portal did not save the card ${card} of ${id}.`);
    },
    async changePlan(plan, { interval } = {}) {
      note(`changes the plan in the portal to ${plan}`);
      const { data } = await stripe.prices.list({ limit: PAGE, active: true, expand: ["data.product"] });
      const price = data.find(
        ({ product, recurring }) =>
          typeof product === "object" &&
          "metadata" in product &&
          product.metadata["tollkeeper_plan"] === plan &&
          (interval === undefined || recurring?.interval === interval),
      );
      if (!price) throw new Error(`There is no price of the plan ${plan}${interval ? ` per ${interval}` : ""}.`);
      await change("change", { price: price.id });
    },
  };
}

const PAGE = 100;

/** Returns the fields of a subscription that the portal can change. */
function stateOf({ status, cancel_at: end, cancel_at_period_end: ends, items }: Stripe.Subscription): string {
  return JSON.stringify([status, end, ends, items.data.map(({ price, quantity }) => [price.id, quantity])]);
}
