/** The script of the demo's page: an example app that uses tollkeeper's client and modal. */
import {
  createTollkeeperClient,
  type Entitlement,
  type Subscription,
} from "../../../../packages/tollkeeper/src/browser/index.ts";
import { h } from "../../../../packages/tollkeeper/src/elements/dom.ts";
import { formatDate } from "../../../../packages/tollkeeper/src/elements/format.ts";
import { ENGLISH } from "../../../../packages/tollkeeper/src/elements/messages.ts";
import { PremiumModal } from "../../../../packages/tollkeeper/src/elements/premium-modal-define.ts";
import { isShown } from "../../../../packages/tollkeeper/src/elements/shown-subscriptions.ts";
import { textsOf, type SubscriptionTexts } from "../../../../packages/tollkeeper/src/elements/subscription-texts.ts";
import { postJson, request, requestJson } from "./requests.ts";
import { clearError, createSection, messageOf, runAction, showError } from "./sections.ts";

const USERS = [
  { userId: "ada", email: "ada@example.com", name: "Ada" },
  { userId: "grace", email: "grace@example.com", name: "Grace" },
  { userId: "alan", email: "alan@example.com", name: "Alan" },
];
const TOOLS = [
  { feature: "exports", name: "Export to CSV" },
  { feature: "history", name: "Version history" },
  { feature: "themes", name: "Night theme" },
];
const USER_KEY = "fieldnotes-user";
/** Milliseconds between two looks at account, hooks and clock. After failures, the time doubles up to the maximum. */
const POLL_MS = 1_000;
const MAX_POLL_MS = 8_000;

function find(id: string): HTMLElement;
function find<T extends HTMLElement>(id: string, kind: new () => T): T;
function find(id: string, kind: new () => HTMLElement = HTMLElement): HTMLElement {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`the page has no such #${id}`);
  return element;
}

const userSelect = find("user", HTMLSelectElement);
const modal = document.querySelector("tollkeeper-premium-modal");
if (!(modal instanceof PremiumModal)) throw new Error("the page has no modal");

const client = createTollkeeperClient({ getToken });
modal.client = client;

let signIn: { userId: string; token: Promise<string> } | null = null;

/** Signs in as the chosen user and returns the user's token. A real app gets the user's token from its identity provider. */
function getToken(): Promise<string> {
  const user = USERS.find((candidate) => candidate.userId === userSelect.value) ?? USERS[0];
  if (!user) throw new Error("the demo has no users");
  const { userId, email } = user;
  if (signIn?.userId !== userId)
    signIn = {
      userId,
      token: postJson<{ token: string }>("/demo/token", { userId, email }).then(({ token }) => token),
    };
  return signIn.token;
}

interface Account {
  subscriptions: Subscription[];
  entitlements: Entitlement[];
}

const account = createSection<Account>({
  async load() {
    try {
      // Without a token, the client treats the user as a visitor. Here, a sign-in that fails is an error.
      await getToken();
      const [subscriptions, entitlements] = await Promise.all([client.subscriptions(), client.entitlements()]);
      return { subscriptions, entitlements };
    } catch (error) {
      // The next load signs in again, because the token may be missing or expired.
      signIn = null;
      throw error;
    }
  },
  show: showAccount,
  failed: "Your account could not be loaded.",
  places: () => [find("account-error"), ...(find("tools").childElementCount === 0 ? [find("tools-error")] : [])],
});

/** The account that the page shows, as JSON. An equal account is not drawn again, so that no element loses the focus. */
let shownAccount = "";

function showAccount({ subscriptions, entitlements }: Account): void {
  const json = JSON.stringify({ subscriptions, entitlements });
  if (json === shownAccount) return;
  shownAccount = json;
  const unlocked = new Set(entitlements.map((entitlement) => entitlement.feature));
  const shown = subscriptions.filter(isShown);
  const names = shown.filter(({ access }) => access !== null).map(({ planName }) => planName ?? "Premium");
  find("badge").textContent = names.join(", ");
  find("badge").hidden = names.length === 0;
  find("account").textContent = shown.length > 0 ? "Your plan" : "Go Premium";
  find("tools").replaceChildren(...TOOLS.map((tool) => h("li", {}, toolButton(tool, unlocked.has(tool.feature)))));
  find("subscription").replaceChildren(
    ...(shown.length > 0
      ? [...shown.flatMap(describe), ...manageButton()]
      : [h("p", {}, "You use Fieldnotes for free.")]),
  );
  showAlerts(shown);
}

/** Removes the data of the previous user. */
function clearAccount(): void {
  shownAccount = "";
  find("badge").hidden = true;
  find("output").hidden = true;
  find("tools").replaceChildren();
  find("subscription").replaceChildren(h("p", { class: "soft" }, "Loading…"));
  showAlerts([]);
}

function toolButton({ feature, name }: (typeof TOOLS)[number], unlocked: boolean): HTMLElement {
  const button = h(
    "button",
    { type: "button", "data-feature": feature, "data-unlocked": String(unlocked) },
    unlocked ? name : `🔒 ${name}`,
    h("small", {}, unlocked ? "Included in your plan" : "Part of Premium"),
  );
  button.addEventListener("click", () => {
    if (unlocked) void runAction(button, find("tools-error"), () => useTool(feature, name), `${name}: `);
    else void modal?.show();
  });
  return button;
}

async function useTool(feature: string, name: string): Promise<void> {
  const output = find("output");
  output.hidden = true;
  const headers = { authorization: `Bearer ${await getToken()}` };
  output.textContent =
    feature === "exports" ? await (await request("/demo/export", { headers })).text() : `${name} is on.`;
  output.hidden = false;
}

/** Returns the sentences of the modal about a subscription, which are true for every status. */
function sentencesAbout(subscription: Subscription): SubscriptionTexts {
  return textsOf(subscription, { messages: ENGLISH, locale: "en" });
}

/** Describes a subscription. The problems that need the user's attention are above the page. */
function describe(subscription: Subscription): HTMLElement[] {
  const { status, price, card } = sentencesAbout(subscription);
  const rows: [string, string | null][] = [
    ["Plan", subscription.planName],
    ["Price", price],
    ["Card", card],
  ];
  return [
    h("dl", {}, ...rows.flatMap(([term, text]) => (text ? [h("dt", {}, term), h("dd", {}, text)] : []))),
    ...(status.length > 0 ? [h("p", {}, status.join(" "))] : []),
  ];
}

function manageButton(): HTMLElement[] {
  const error = h("div", { class: "error", role: "alert", hidden: true });
  const manage = h("button", { type: "button" }, "Manage billing");
  manage.addEventListener("click", () => void runAction(manage, error, () => client.portal()));
  return [manage, error];
}

/** Shows the problems that need the user's attention, each with a link to the payment that solves it. */
function showAlerts(subscriptions: Subscription[]): void {
  const alerts = subscriptions.flatMap((subscription) => {
    const { alert } = sentencesAbout(subscription);
    if (alert.length === 0) return [];
    const payUrl = subscription.actions.includes("pay") ? subscription.due?.payUrl : null;
    return h("p", {}, alert.join(" "), ...(payUrl ? [" ", h("a", { href: payUrl }, ENGLISH.payNow)] : []));
  });
  find("notice").hidden = alerts.length === 0;
  find("notice").replaceChildren(...alerts);
}

interface Panel {
  now: number;
  emulatorUrl: string;
  hooks: { at: number; hook: string; summary: string }[];
}

/** The hooks that the page shows, as JSON. Equal hooks are not drawn again, so that a selection of their text stays. */
let shownHooks = "";

const panel = createSection<Panel>({
  load: () => requestJson("/demo/panel"),
  show({ now, emulatorUrl, hooks }) {
    find("now").textContent = formatDate(now, "en");
    find("emulator", HTMLAnchorElement).href = emulatorUrl;
    const json = JSON.stringify(hooks);
    if (json === shownHooks) return;
    shownHooks = json;
    const items = hooks.map(({ hook, summary }) => h("li", {}, h("code", {}, hook), ` ${summary}`));
    find("hooks").replaceChildren(...(items.length > 0 ? items : [h("li", {}, "Nothing yet.")]));
  },
  failed: "The hooks and the date could not be loaded.",
  places: () => [find("panel-error")],
});

async function refresh(): Promise<void> {
  await Promise.all([account.load(), panel.load()]);
}

/**
 * Keeps the page live: shows each change of the account, the hooks and the date, and repeats loads that failed. A change of the
 * account may run no hook, such as a scheduled cancellation.
 */
async function keepLive(): Promise<never> {
  for (let wait = POLL_MS; ;) {
    await new Promise((resolve) => setTimeout(resolve, wait));
    if (document.hidden) continue;
    await refresh();
    wait = panel.hasFailed() || account.hasFailed() ? Math.min(wait * 2, MAX_POLL_MS) : POLL_MS;
  }
}

async function advance(button: HTMLButtonElement): Promise<void> {
  const seconds = Number(button.dataset["advance"]);
  const move = (): Promise<unknown> => postJson("/demo/clock/advance", { seconds });
  await runAction(button, find("clock-error"), move, "The clock did not move. ");
  await refresh();
}

/** Verifies the checkout from which the user returns. */
async function showReturn(): Promise<void> {
  const place = find("return-error");
  try {
    const verified = await client.handleReturn();
    clearError(place);
    await refresh();
    if (verified?.status === "complete") modal?.showSuccess(verified);
  } catch (error) {
    signIn = null;
    showError(place, `Your purchase could not be checked. ${messageOf(error)}`, () => void showReturn());
    await refresh();
  }
}

userSelect.append(...USERS.map(({ userId, name }) => h("option", { value: userId }, name)));
userSelect.value = sessionStorage.getItem(USER_KEY) ?? "ada";
userSelect.addEventListener("change", () => {
  sessionStorage.setItem(USER_KEY, userSelect.value);
  clearAccount();
  void refresh();
});
find("account").addEventListener("click", () => void modal.show());
modal.addEventListener("tollkeeper-change", () => void refresh());
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void refresh();
});
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-advance]"))
  button.addEventListener("click", () => void advance(button));

await showReturn();
await keepLive();
