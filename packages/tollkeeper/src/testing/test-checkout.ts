/** Pays checkout sessions and invoices on Stripe's pages, as a user does. */
import type Stripe from "stripe";
import { cardFields, type CardName } from "./cards.ts";
import { postForm } from "./control.ts";
import type { TestEmulator } from "./harness/emulator.ts";

/** The result of a user's attempt to pay. */
export type PaymentResult =
  | { status: "paid" }
  /** Stripe waits for the user's bank: call `authenticate` or `refuseAuthentication`. */
  | { status: "authentication_required" }
  | { status: "declined"; message: string };

/** An open checkout session. */
export interface TestCheckout {
  sessionId: string;
  /** The address of Stripe's checkout page. */
  url: string;
  /** Pays with a card on Stripe's page. Default `visa`. */
  pay(card?: CardName): Promise<PaymentResult>;
}

/** The access to Stripe and its pages. The function `settle` processes everything that a payment caused. */
export interface Pages {
  emulator: Pick<TestEmulator, "fetch" | "now">;
  stripe: Stripe;
  settle: () => Promise<void>;
}

/** Pays an open checkout session with a card. */
export async function payCheckout(pages: Pages, sessionId: string, card: CardName): Promise<PaymentResult> {
  const { status } = await pages.stripe.checkout.sessions.retrieve(sessionId);
  if (status !== "open") throw new Error(`The checkout ${sessionId} can't be paid, because it is ${String(status)}.`);
  const next = await postForm(pages.emulator, `/c/pay/${sessionId}/pay`, cardFields(card, pages.emulator.now()));
  await pages.settle();
  const session = await pages.stripe.checkout.sessions.retrieve(sessionId);
  if (session.status === "complete") return { status: "paid" };
  return isChallenge(next) ? { status: "authentication_required" } : declined(await noticeOf(pages, next));
}

/** Pays an open invoice with a card on Stripe's page. */
export async function payInvoice(pages: Pages, invoiceId: string, card: CardName): Promise<PaymentResult> {
  const next = await postForm(pages.emulator, `/i/${invoiceId}`, cardFields(card, pages.emulator.now()));
  await pages.settle();
  const { status } = await pages.stripe.invoices.retrieve(invoiceId);
  if (status === "paid") return { status: "paid" };
  return isChallenge(next) ? { status: "authentication_required" } : declined(await noticeOf(pages, next));
}

/** Accepts or refuses the payment that the customer's bank asks about. Throws if the bank asks nothing. */
export async function answerChallenge(pages: Pages, customer: string | null, accept: boolean): Promise<void> {
  const intent = customer === null ? undefined : await findChallenge(pages.stripe, customer);
  if (!intent) throw new Error("The bank asks nothing now. Pay with the card 3ds first.");
  await postForm(pages.emulator, `/challenge/${intent}`, { answer: accept ? "yes" : "no" });
  await pages.settle();
}

async function findChallenge(stripe: Stripe, customer: string): Promise<string | undefined> {
  const [payments, setups] = await Promise.all([
    stripe.paymentIntents.list({ customer, limit: PAGE }),
    stripe.setupIntents.list({ customer, limit: PAGE }),
  ]);
  return [...payments.data, ...setups.data].find(({ status }) => status === "requires_action")?.id;
}

const PAGE = 100;

function isChallenge(location: string): boolean {
  return location.includes("/challenge/");
}

function declined(message: string): PaymentResult {
  return { status: "declined", message };
}

/** Returns the message that Stripe's page shows. */
async function noticeOf({ emulator }: Pages, path: string): Promise<string> {
  const page = await emulator.fetch(new Request(new URL(path, "http://stripe.test")));
  const [, text = "The payment failed."] = /role="alert"[^>]*>\s*([^<]+?)\s*</.exec(await page.text()) ?? [];
  return text.replaceAll("&#39;", "'").replaceAll("&amp;", "&");
}
