/** A user of the app in a test. */
import { randomUUID } from "node:crypto";
import type Stripe from "stripe";
import type { Entitlement } from "../domain/access.ts";
import { describeError } from "../domain/log-text.ts";
import { userOwner } from "../domain/owner.ts";
import type { PlanInterval, Plans } from "../domain/plans.ts";
import type { Store } from "../store/store.ts";
import type { Tollkeeper } from "../tollkeeper.ts";
import type { CancelRequest, ResumeRequest, Subscription } from "../wire.ts";
import { cardOf, type CardName } from "./cards.ts";
import { postControl } from "./control.ts";
import type { TestResponse } from "./harness/read-response.ts";
import type { ServiceClient } from "./harness/service-client.ts";
import {
  answerChallenge,
  payCheckout,
  payInvoice,
  type Pages,
  type PaymentResult,
  type TestCheckout,
} from "./test-checkout.ts";
import { createTestPortal, type TestPortal } from "./test-portal.ts";

export interface SubscribeOptions {
  /** Default: the interval of the plan's first price. */
  interval?: PlanInterval;
  /** Default `visa`. If the card asks for 3-D Secure, the user accepts. */
  card?: CardName;
}

/**
 * A user. Methods that change something resolve after each due webhook was delivered and all due work was processed. They throw
 * if Stripe or the service refuses, with the reason.
 */
export interface TestUser {
  id: string;
  /** Buys a plan on Stripe's checkout page. Returns the user. */
  subscribe(plan: string, options?: SubscribeOptions): Promise<TestUser>;
  /** Opens a checkout session, and pays nothing yet. */
  checkout(plan: string, options?: Pick<SubscribeOptions, "interval">): Promise<TestCheckout>;
  /** Returns true if the user may use the feature now. */
  can(feature: string): Promise<boolean>;
  /** Returns the ids of the features that the user may use now. */
  features(): Promise<string[]>;
  entitlements(): Promise<Entitlement[]>;
  /** Returns the subscriptions as the user's browser gets them, the newest first. */
  subscriptions(): Promise<Subscription[]>;
  /** Cancels the user's subscription at the end of the period. Returns the subscription. */
  cancel(request?: CancelRequest): Promise<Subscription>;
  /** Undoes the cancellation. Returns the subscription. */
  resume(request?: ResumeRequest): Promise<Subscription>;
  /**
   * Gives the user a card whose charges fail. It is the card of all subscriptions until `acceptPayments` is called, or until the
   * user pays with another card.
   */
  failPayments(): Promise<void>;
  /** Lets later payments succeed: the user's card is a new one. */
  acceptPayments(card?: CardName): Promise<void>;
  /** Pays the user's open invoice on Stripe's page. Default card `visa`. */
  payInvoice(card?: CardName): Promise<PaymentResult>;
  /** Accepts the payment that the user's bank asks about (3-D Secure). */
  authenticate(): Promise<void>;
  /** Refuses the payment that the user's bank asks about (3-D Secure). */
  refuseAuthentication(): Promise<void>;
  /** Refunds the user's last payment: in full, or an amount in minor units of its currency. */
  refund(amount?: number): Promise<Stripe.Refund>;
  /**
   * Lets the user's bank dispute the last payment. With `inquiry`, the bank only asks about the payment, and no money moves.
   * Returns the dispute's id.
   */
  dispute(options?: { inquiry?: boolean }): Promise<string>;
  /** Lets the bank decide the user's open dispute. */
  decideDispute(outcome: "won" | "lost"): Promise<void>;
  /** The user's actions in Stripe's customer portal. */
  portal: TestPortal;
  /** Sends a request to a route of the service as the user, such as `("GET", "offer")`. Throws for no status. */
  call(method: "GET" | "POST", path: string, body?: unknown): Promise<TestResponse>;
}

export interface TestUserOptions extends Pages {
  id: string;
  plans: () => Plans;
  service: Tollkeeper;
  store: () => Store;
  call: ServiceClient;
  /** Adds an entry about what the user does to the timeline. */
  note: (text: string) => void;
}

export function createTestUser(options: TestUserOptions): TestUser {
  const { id, service, note } = options;
  const call: TestUser["call"] = (method, path, body) => options.call(id, method, path, body);
  const post = async (path: string, body: object = {}): Promise<TestResponse["body"]> =>
    bodyOf(await call("POST", path, body), id, path);
  const findCustomer = (): Promise<string | null> => options.store().customers.findPrimaryCustomer(userOwner(id));
  const customerOf = async (): Promise<string> => {
    const customer = await findCustomer();
    if (customer !== null) return customer;
    throw new Error(`${id} has no customer at Stripe yet. Call subscribe or checkout first.`);
  };
  const user: TestUser = {
    id,
    call,
    ...purchases({ ...options, post, findCustomer, self: () => user }),
    ...payments({ ...options, customerOf }),
    portal: createTestPortal({
      ...options,
      customerOf,
      open: async () => String((await post("create-portal-session"))["url"]),
    }),
    can: (feature) => service.can(id, feature),
    features: async () => (await service.getEntitlements(id)).map(({ feature }) => feature),
    entitlements: () => service.getEntitlements(id),
    subscriptions: () => service.listSubscriptions(id),
    async cancel(request) {
      note("cancels");
      return (await post("cancel-subscription", request))["subscription"] as Subscription;
    },
    async resume(request) {
      note("resumes");
      return (await post("resume-subscription", request))["subscription"] as Subscription;
    },
  };
  return user;
}

type Purchases = Pick<TestUser, "checkout" | "subscribe" | "authenticate" | "refuseAuthentication">;

interface PurchaseOptions extends TestUserOptions {
  post: (path: string, body: object) => Promise<TestResponse["body"]>;
  findCustomer: () => Promise<string | null>;
  self: () => TestUser;
}

function purchases(options: PurchaseOptions): Purchases {
  const { id, plans, post, note, self } = options;
  const answer = async (accept: boolean): Promise<void> => {
    note(accept ? "accepts the payment at the bank" : "refuses the payment at the bank");
    await answerChallenge(options, await options.findCustomer(), accept);
  };
  const checkout: Purchases["checkout"] = async (plan, given = {}) => {
    checkKeys(given, ["interval"]);
    const { interval = firstInterval(plans(), plan) } = given;
    note(`opens a checkout of ${plan} (${interval})`);
    const body = await post("create-checkout-session", { plan, interval });
    const sessionId = String(body["sessionId"]);
    return {
      sessionId,
      url: String(body["url"]),
      pay: async (card = "visa") => {
        note(`pays with the card ${card}`);
        return noted(note, payCheckout(options, sessionId, card));
      },
    };
  };
  return {
    checkout,
    authenticate: () => answer(true),
    refuseAuthentication: () => answer(false),
    async subscribe(plan, { card = "visa", ...given } = {}) {
      const { pay } = await checkout(plan, given);
      const result = await pay(card);
      if (result.status === "declined")
        throw new Error(
          `${id} could not pay with the card ${card}: ${result.message} Use checkout() to test a declined payment.`,
        );
      if (result.status === "authentication_required") await answer(true);
      return self();
    },
  };
}

type Payments = Pick<
  TestUser,
  "failPayments" | "acceptPayments" | "payInvoice" | "refund" | "dispute" | "decideDispute"
>;

function payments(options: TestUserOptions & { customerOf: () => Promise<string> }): Payments {
  const { id, stripe, service, emulator, settle, note, customerOf } = options;
  const useCard = async (card: CardName): Promise<void> => {
    const customer = await customerOf();
    const { id: method } = await stripe.paymentMethods.attach(cardOf(card).token, { customer });
    await stripe.customers.update(customer, { invoice_settings: { default_payment_method: method } });
    for (const subscription of (await stripe.subscriptions.list({ customer, limit: PAGE })).data)
      await stripe.subscriptions.update(subscription.id, { default_payment_method: method });
  };
  return {
    async failPayments() {
      note("has a card whose charges fail");
      await useCard("fails_later");
    },
    async acceptPayments(card = "visa") {
      note(`has the card ${card}`);
      await useCard(card);
    },
    async payInvoice(card = "visa") {
      const subscriptions = await service.listSubscriptions(id);
      const invoiceId = subscriptions.find(({ due }) => due !== null)?.due?.invoiceId;
      if (invoiceId === undefined) throw new Error(`${id} has no open invoice.`);
      note(`pays the open invoice with the card ${card}`);
      return noted(note, payInvoice(options, invoiceId, card));
    },
    async refund(amount) {
      const charge = await lastCharge(stripe, await customerOf(), id);
      note(amount === undefined ? "gets a full refund" : `gets a refund of ${amount}`);
      return stripe.refunds.create(
        { charge, ...(amount !== undefined && { amount }) },
        { idempotencyKey: randomUUID() },
      );
    },
    async dispute({ inquiry = false } = {}) {
      const charge = await lastCharge(stripe, await customerOf(), id);
      note(inquiry ? "asks the bank about the last payment" : "disputes the last payment at the bank");
      const dispute = await postControl(emulator, "disputes", { charge, ...(inquiry && { reason: "inquiry" }) });
      await settle();
      return String(dispute["id"]);
    },
    async decideDispute(outcome) {
      const customer = await customerOf();
      const charges = new Set((await stripe.charges.list({ customer, limit: PAGE })).data.map((charge) => charge.id));
      const disputes = (await stripe.disputes.list({ limit: PAGE })).data;
      const open = disputes.find(
        ({ charge, status }) => typeof charge === "string" && charges.has(charge) && !DECIDED.has(status),
      );
      if (!open) throw new Error(`${id} has no open dispute.`);
      note(`the bank decides the dispute: ${outcome}`);
      await postControl(emulator, "disputes/decide", { dispute: open.id, status: outcome });
      await settle();
    },
  };
}

const PAGE = 100;
const DECIDED: ReadonlySet<string> = new Set(["won", "lost"]);

async function lastCharge(stripe: Stripe, customer: string, user: string): Promise<string> {
  const { data } = await stripe.charges.list({ customer, limit: PAGE });
  const paid = data.find(({ status, amount, amount_refunded: back }) => status === "succeeded" && amount > back);
  if (paid) return paid.id;
  throw new Error(`${user} has no payment that can be returned.`);
}

function firstInterval(plans: Plans, planId: string): PlanInterval {
  return plans.find((plan) => plan.id === planId)?.prices[0]?.interval ?? "month";
}

/** Adds the result of a payment to the timeline, if the payment did not succeed. */
async function noted(note: (text: string) => void, payment: Promise<PaymentResult>): Promise<PaymentResult> {
  const result = await payment.catch((error: unknown) => {
    note(`could not pay: ${describeError(error)}`);
    throw error;
  });
  if (result.status === "declined") note(`could not pay: ${result.message}`);
  if (result.status === "authentication_required") note("is asked by the bank to confirm the payment");
  return result;
}

function checkKeys(options: object, keys: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !keys.includes(key));
  if (unknown !== undefined) throw new TypeError(`"${unknown}" is no option. Use ${keys.join(", ")}.`);
}

/** Returns the body of a response. Throws with the service's message if the status is an error. */
function bodyOf({ status, body }: TestResponse, user: string, path: string): TestResponse["body"] {
  if (status < 400) return body;
  const { code, message } = (body["error"] ?? {}) as { code?: string; message?: string };
  throw new Error(`${path} refused ${user}: ${status} ${code ?? ""}. ${message ?? JSON.stringify(body)}`);
}
