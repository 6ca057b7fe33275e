/** The script of the demo's page: an example app that uses tollkeeper's client and modal. */
import { createTollkeeperClient, type Subscription } from "../../../../packages/tollkeeper/src/browser/index.ts";
import { h } from "../../../../packages/tollkeeper/src/elements/dom.ts";
import { formatDate, formatMoney } from "../../../../packages/tollkeeper/src/elements/format.ts";
import { PremiumModal } from "../../../../packages/tollkeeper/src/elements/premium-modal-define.ts";

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
      token: postJson("/demo/token", { userId, email }).then(({ token }) => token as string),
    };
  return signIn.token;
}

async function postJson(path: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

async function showAccount(): Promise<void> {
  const [subscriptions, entitlements] = await Promise.all([client.subscriptions(), client.entitlements()]);
  const unlocked = new Set(entitlements.map((entitlement) => entitlement.feature));
  const live = subscriptions.find((subscription) => subscription.live) ?? null;
  find("badge").hidden = unlocked.size === 0;
  find("account").textContent = live ? "Your plan" : "Go Premium";
  find("tools").replaceChildren(...TOOLS.map((tool) => h("li", {}, toolButton(tool, unlocked.has(tool.feature)))));
  find("subscription").replaceChildren(...(live ? describe(live) : [h("p", {}, "You use Fieldnotes for free.")]));
  showNotice(live?.latestInvoice?.message ?? null, live?.latestInvoice?.actionUrl ?? null);
}

function toolButton({ feature, name }: (typeof TOOLS)[number], unlocked: boolean): HTMLElement {
  const use = () => void (unlocked ? useTool(feature, name) : modal?.show());
  return h(
    "button",
    { type: "button", "data-feature": feature, "data-unlocked": String(unlocked), click: use },
    unlocked ? name : `🔒 ${name}`,
    h("small", {}, unlocked ? "Included in your plan" : "Part of Premium"),
  );
}

async function useTool(feature: string, name: string): Promise<void> {
  const output = find("output");
  output.hidden = false;
  if (feature !== "exports") {
    output.textContent = `${name} is on.`;
    return;
  }
  const response = await fetch("/demo/export", { headers: { authorization: `Bearer ${await getToken()}` } });
  output.textContent = await response.text();
}

function describe(subscription: Subscription): HTMLElement[] {
  const { price, cancelAt, currentPeriodEnd, paymentMethod } = subscription;
  const rows: [string, string][] = [
    ["Plan", subscription.planName ?? "unknown"],
    ["Status", subscription.status],
  ];
  if (price?.amount != null)
    rows.push(["Price", `${formatMoney({ ...price, amount: price.amount }, "en")} a ${price.interval ?? "month"}`]);
  if (cancelAt !== null) rows.push(["Ends", formatDate(cancelAt, "en")]);
  else if (currentPeriodEnd !== null) rows.push(["Renews", formatDate(currentPeriodEnd, "en")]);
  if (paymentMethod?.last4) rows.push(["Card", `${paymentMethod.brand ?? ""} •••• ${paymentMethod.last4}`]);
  return [
    h("dl", {}, ...rows.flatMap(([term, text]) => [h("dt", {}, term), h("dd", {}, text)])),
    h("button", { type: "button", click: () => void client.portal() }, "Manage billing"),
  ];
}

function showNotice(message: string | null, actionUrl: string | null): void {
  const notice = find("notice");
  notice.hidden = message === null;
  notice.replaceChildren(message ?? "");
  if (actionUrl !== null) notice.append(" ", h("a", { href: actionUrl }, "Pay now"));
}

interface Panel {
  now: number;
  emulatorUrl: string;
  hooks: { at: number; hook: string; summary: string }[];
}

async function showPanel(): Promise<void> {
  const panel = (await (await fetch("/demo/panel")).json()) as Panel;
  find("now").textContent = formatDate(panel.now, "en");
  find("emulator", HTMLAnchorElement).href = panel.emulatorUrl;
  const hooks = panel.hooks.map(({ hook, summary }) => h("li", {}, h("code", {}, hook), ` ${summary}`));
  find("hooks").replaceChildren(...(hooks.length > 0 ? hooks : [h("li", {}, "Nothing yet.")]));
}

async function refresh(): Promise<void> {
  await Promise.all([showAccount(), showPanel()]);
}

async function advance(button: HTMLButtonElement): Promise<void> {
  button.disabled = true;
  await postJson("/demo/clock/advance", { seconds: Number(button.dataset["advance"]) });
  button.disabled = false;
  await refresh();
}

userSelect.append(...USERS.map(({ userId, name }) => h("option", { value: userId }, name)));
userSelect.value = sessionStorage.getItem(USER_KEY) ?? "ada";
userSelect.addEventListener("change", () => {
  sessionStorage.setItem(USER_KEY, userSelect.value);
  find("output").hidden = true;
  void refresh();
});
find("account").addEventListener("click", () => void modal.show());
modal.addEventListener("tollkeeper-change", () => void refresh());
for (const button of document.querySelectorAll<HTMLButtonElement>("[data-advance]"))
  button.addEventListener("click", () => void advance(button));

try {
  const verified = await client.handleReturn();
  await refresh();
  if (verified?.status === "complete") modal.showSuccess(verified);
} catch (error) {
  await refresh();
  showNotice(error instanceof Error ? error.message : String(error), null);
}
