/**
 * Defines the element `<tollkeeper-premium-modal>`. The modal shows the plans to visitors and the subscription to subscribers.
 */
import type { OfferedPlan, Plan, Subscription, TollkeeperClient, VerifiedCheckout } from "../browser/index.ts";
import { ElementBase, h } from "./dom.ts";
import { chooseLocale } from "./format.ts";
import { ENGLISH, type CancelReason, type Messages } from "./messages.ts";
import type { Account, Interval, View, ViewContext } from "./premium-modal-parts.ts";
import { priceOf } from "./premium-modal-plans.ts";
import { STYLE } from "./premium-modal-style.ts";
import { render } from "./premium-modal-views.ts";
import { isShown } from "./shown-subscriptions.ts";

export { ENGLISH, type Messages } from "./messages.ts";

/** The event that the modal dispatches after the user canceled or resumed the subscription in the modal. */
export class PremiumChangeEvent extends Event {
  readonly subscription: Subscription;
  constructor(subscription: Subscription) {
    super("tollkeeper-change", { bubbles: true, composed: true });
    this.subscription = subscription;
  }
}

/**
 * The premium modal. Set the modal's property `client`, then call `show()`. The modal's attributes: `locale` (default: the
 * page's language), `interval` (`month` or `year`). The modal's events: `tollkeeper-change`, `tollkeeper-close`, and
 * `tollkeeper-sign-in` if a visitor must sign in first.
 */
export class PremiumModal extends ElementBase {
  #client: TollkeeperClient | null = null;
  #messages: Messages = ENGLISH;
  #view: View = { kind: "loading" };
  #body = h("div", { class: "body", part: "body" });
  #alert = h("div", { class: "messages", "aria-live": "assertive" });
  #dialog = h("dialog", { part: "dialog", "aria-labelledby": "heading" });
  /** Number of the last time that the modal was opened. The results of requests for an earlier opening are not drawn. */
  #opening = 0;

  constructor() {
    super();
    const root = this.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];
    this.#dialog.append(this.#body);
    this.#dialog.addEventListener("close", () => this.dispatchEvent(new Event("tollkeeper-close")));
    this.#dialog.addEventListener("click", (event) => {
      if (event.target === this.#dialog) this.close();
    });
    root.append(this.#dialog);
    this.#keepEarlyProperties();
  }

  connectedCallback(): void {
    addEventListener("pageshow", this.#refresh);
  }

  disconnectedCallback(): void {
    removeEventListener("pageshow", this.#refresh);
  }

  /**
   * Loads the modal's content again when the user returns from Stripe's page with the browser's back button. The browser then
   * shows the page as the user left it, although the user may have paid.
   */
  #refresh = (event: PageTransitionEvent): void => {
    if (event.persisted && this.#dialog.open && this.#client) void this.show();
  };

  /** The client whose plans and subscription the modal shows. */
  set client(client: TollkeeperClient | null) {
    this.#client = client;
  }
  get client(): TollkeeperClient | null {
    return this.#client;
  }

  /** Replaces some or all of the modal's English texts. */
  set messages(messages: Partial<Messages>) {
    this.#messages = { ...ENGLISH, ...messages };
    this.#draw();
  }
  get messages(): Messages {
    return this.#messages;
  }

  /**
   * Applies the properties that were set on the element before the browser knew the element's class. Otherwise these
   * properties would hide the accessors of the class.
   */
  #keepEarlyProperties(): void {
    const early = Object.entries(this).filter(([name]) => name === "client" || name === "messages");
    for (const [name] of early) Reflect.deleteProperty(this, name);
    Object.assign(this, Object.fromEntries(early));
  }

  /** Opens the modal with the user's subscription, or with the plans if there is none. Throws if the modal has no client. */
  async show(): Promise<void> {
    const client = this.#needClient();
    const opening = this.#open({ kind: "loading" });
    const view = await this.#load(client);
    if (opening === this.#opening) this.#setView(view);
  }

  /**
   * Opens the modal with the outcome of a checkout: thanks for a payment or the start of a trial. Call this method with the
   * result of `handleReturn()` on the page to which users return from checkout.
   */
  showSuccess({ outcome, subscription }: Pick<VerifiedCheckout, "outcome" | "subscription">): void {
    this.#open({ kind: "success", outcome, subscription });
  }

  close(): void {
    this.#dialog.close();
  }

  #needClient(): TollkeeperClient {
    if (!this.#client) throw new Error("The modal has no client. Set modal.client = createTollkeeperClient(…) first.");
    return this.#client;
  }

  /** Opens the modal, and returns the number of this opening. */
  #open(view: View): number {
    this.#opening += 1;
    this.#setView(view);
    if (!this.#dialog.open) this.#dialog.showModal();
    this.#focusHeading();
    return this.#opening;
  }

  /** Loads the first view: the user's subscriptions, or else the plans. Visitors who are not signed in see the plans. */
  async #load(client: TollkeeperClient): Promise<View> {
    try {
      const [config, subscriptions] = await Promise.all([client.config(), orVisitor(client.subscriptions())]);
      const account = accountOf(subscriptions ?? [], config.plans);
      if (account.subscriptions.length > 0) return { kind: "member", account };
      return await this.#plansView(client, account, subscriptions === null ? config.plans : null);
    } catch (error) {
      return { kind: "failed", message: sentenceOf(error) };
    }
  }

  /** Loads the view of the plans with what applies to the user. For a visitor, the caller passes the plans for visitors. */
  async #plansView(client: TollkeeperClient, account: Account, forVisitor: Plan[] | null): Promise<View> {
    const interval = this.getAttribute("interval") === "year" ? "year" : "month";
    return { kind: "plans", plans: forVisitor?.map(offerToVisitor) ?? (await client.offer()), interval, account };
  }

  /** Shows the plans to a user who already has a subscription. Loads them again, because the subscription may have changed. */
  #showPlans(): void {
    const client = this.#needClient();
    const opening = this.#opening;
    this.#withAccount(
      (account) =>
        void this.#run(async () => {
          const view = await this.#plansView(client, account, null);
          if (opening === this.#opening) this.#setView(view);
        }),
    );
  }

  #setView(view: View): void {
    this.#view = view;
    this.#draw();
    if (this.#dialog.open) this.#focusHeading();
  }

  #draw(): void {
    this.#alert.replaceChildren();
    this.#dialog.toggleAttribute("aria-busy", this.#view.kind === "loading");
    const close = h(
      "button",
      { type: "button", class: "close", part: "close", "aria-label": this.#messages.close, click: () => this.close() },
      "×",
    );
    this.#body.replaceChildren(
      ...render(this.#view, this.#context()).filter((child) => child !== null),
      this.#alert,
      close,
    );
  }

  /** Moves the focus to the heading, so that screen readers announce the new view and keyboard users continue there. */
  #focusHeading(): void {
    this.#body.querySelector<HTMLElement>("#heading")?.focus();
  }

  #context(): ViewContext {
    return {
      messages: this.#messages,
      locale: chooseLocale(this.getAttribute("locale"), document.documentElement.lang),
      actions: {
        show: () => void this.show(),
        close: () => this.close(),
        choose: (plan) => void this.#choose(plan),
        setInterval: (interval) => this.#switchInterval(interval),
        manage: () => void this.#run(() => this.#needClient().portal()),
        showPlans: () => this.#showPlans(),
        back: () => this.#withAccount((account) => this.#setView({ kind: "member", account })),
        askCancel: (subscription) =>
          this.#withAccount((account) => this.#setView({ kind: "canceling", account, subscription })),
        cancel: ({ id }, reason) => void this.#change(() => this.#needClient().cancel(cancelRequest(id, reason))),
        resume: ({ id }) => void this.#change(() => this.#needClient().resume({ subscriptionId: id })),
      },
    };
  }

  #switchInterval(interval: Interval): void {
    if (this.#view.kind !== "plans") return;
    this.#view = { ...this.#view, interval };
    this.#draw();
    this.#body.querySelector<HTMLElement>(`input[value="${interval}"]`)?.focus();
  }

  async #choose(plan: OfferedPlan): Promise<void> {
    const wanted = this.#view.kind === "plans" ? this.#view.interval : "month";
    const interval = priceOf(plan, wanted)?.interval ?? wanted;
    const leaving = await this.#run(() => this.#needClient().checkout({ plan: plan.id, interval }));
    if (leaving) this.#alert.replaceChildren(h("p", { role: "status" }, this.#messages.redirecting));
  }

  async #change(act: () => Promise<Subscription>): Promise<void> {
    const opening = this.#opening;
    await this.#run(async () => {
      const changed = await act();
      if (opening === this.#opening)
        this.#withAccount((account) =>
          this.#setView({
            kind: "member",
            account: { ...account, subscriptions: replaced(account.subscriptions, changed) },
          }),
        );
      this.dispatchEvent(new PremiumChangeEvent(changed));
    });
  }

  #withAccount(act: (account: Account) => void): void {
    if ("account" in this.#view) act(this.#view.account);
  }

  /**
   * Runs an action of the modal, during which all controls are disabled. If the action fails, shows the error and returns
   * false.
   */
  async #run(act: () => Promise<void>): Promise<boolean> {
    const opening = this.#opening;
    this.#alert.replaceChildren();
    this.#setBusy(true);
    try {
      await act();
      return opening === this.#opening;
    } catch (error) {
      if (isUnauthenticated(error))
        this.dispatchEvent(new Event("tollkeeper-sign-in", { bubbles: true, composed: true }));
      if (opening === this.#opening)
        this.#alert.replaceChildren(h("p", { class: "alert", part: "error", role: "alert" }, sentenceOf(error)));
      return false;
    } finally {
      if (opening === this.#opening) this.#setBusy(false);
    }
  }

  #setBusy(busy: boolean): void {
    for (const control of this.#body.querySelectorAll<HTMLButtonElement | HTMLInputElement | HTMLSelectElement>(
      "button:not(.close), input, select",
    ))
      control.disabled = busy;
  }
}

function accountOf(all: readonly Subscription[], plans: readonly Plan[]): Account {
  const subscriptions = all.filter(isShown);
  const ended = subscriptions.length === 0 ? (all[0] ?? null) : null;
  return { subscriptions, ended, hasChoice: plans.flatMap(({ prices }) => prices).length > 1 };
}

function replaced(subscriptions: readonly Subscription[], changed: Subscription): Subscription[] {
  return subscriptions.map((subscription) => (subscription.id === changed.id ? changed : subscription));
}

/** Returns a plan as the modal offers it to a visitor, who may buy each price. */
function offerToVisitor(plan: Plan): OfferedPlan {
  const prices = plan.prices.map((price) => ({
    ...price,
    action: "checkout" as const,
    reason: null,
    subscriptionId: null,
  }));
  return { ...plan, current: false, prices };
}

/** Returns the result of a request; null if the user is not signed in. */
async function orVisitor<Result>(request: Promise<Result>): Promise<Result | null> {
  try {
    return await request;
  } catch (error) {
    if (isUnauthenticated(error)) return null;
    throw error;
  }
}

function cancelRequest(subscriptionId: string, reason: string) {
  return { subscriptionId, ...(reason !== "" && { reason: reason as CancelReason }) };
}

function isUnauthenticated(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "unauthenticated";
}

/**
 * Returns a sentence that describes an error to the user. Only errors of the browser client contain a sentence for users; for
 * any other error, the function returns a general sentence.
 */
function sentenceOf(error: unknown): string {
  return error instanceof Error && error.name === "TollkeeperClientError"
    ? error.message
    : "Something went wrong. Please try again.";
}

declare global {
  interface HTMLElementTagNameMap {
    "tollkeeper-premium-modal": PremiumModal;
  }
}
