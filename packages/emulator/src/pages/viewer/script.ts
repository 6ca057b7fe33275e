/**
 * The script of the viewer's pages. The script reads the stream of changes, loads the page again after each change, and
 * replaces the sections that differ. It keeps focus, open details, typed text and scroll positions.
 */
export const SCRIPT = String.raw`"use strict";
const main = document.querySelector("main");
const live = document.getElementById("live");
let sections = htmlOf(main);
let shown = Number(document.querySelector("header").dataset.change);
let latest = shown;
let loading = false;
let stream = null;
let loadedAt = Date.now();

function htmlOf(root) {
  return new Map([...root.children].map((child) => [child.id, child.outerHTML]));
}

async function refresh() {
  if (loading) return;
  loading = true;
  try {
    // Changes can arrive while the page loads.
    while (latest > shown) await load();
  } catch {
    // The stream reports that the emulator does not respond, and its next message causes another refresh.
  } finally {
    loading = false;
  }
}

async function load() {
  const response = await fetch(location.href);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  const next = page.querySelector("main.viewer");
  shown = next === null ? latest : Number(page.querySelector("header").dataset.change);
  if (next !== null) update(next);
}

function update(next) {
  loadedAt = Date.now();
  const html = htmlOf(next);
  const restore = remember();
  const [before, after] = [[...main.children], [...next.children]];
  if (before.length === after.length && before.every((child, at) => child.id === after[at].id)) {
    before.forEach((child, at) => {
      // A message about a form stays until the user leaves the page.
      if (child.id !== "notice" && sections.get(child.id) !== html.get(child.id)) child.replaceWith(after[at]);
    });
  } else main.replaceChildren(...after);
  sections = html;
  restore();
}

/** Returns a function that restores focus, open details, typed text and scroll positions. */
function remember() {
  const open = [...main.querySelectorAll("details[open]")].map(({ id }) => id);
  const fields = [...main.querySelectorAll("input[id], select[id], textarea[id]")];
  const typed = fields.map(({ id, value }) => [id, value]);
  const scrolled = [...main.querySelectorAll("[tabindex]")].map(({ id, scrollTop, scrollLeft }) => [id, scrollTop, scrollLeft]);
  const focused = main.contains(document.activeElement) ? nameOf(document.activeElement) : null;
  const { scrollX, scrollY } = window;
  return () => {
    for (const id of open) document.getElementById(id)?.setAttribute("open", "");
    for (const [id, value] of typed) {
      const field = document.getElementById(id);
      if (field && field.value !== value) field.value = value;
    }
    for (const [id, top, left] of scrolled) document.getElementById(id)?.scrollTo(left, top);
    const lost = focused !== null && !main.contains(document.activeElement);
    if (lost) [...main.querySelectorAll("a, button, input, select, summary, [tabindex]")].find((element) => nameOf(element) === focused)?.focus({ preventScroll: true });
    window.scrollTo(scrollX, scrollY);
  };
}

function nameOf(element) {
  const { id, name, value, href } = element;
  return id || [element.tagName, name, value, href, element.form?.action, element.parentElement?.id].join(" ");
}

function connect() {
  stream = new EventSource("/_viewer/live");
  stream.onmessage = ({ data }) => {
    live.textContent = "Live";
    latest = Number(data);
    void refresh();
  };
  stream.onerror = () => {
    // A restarted emulator counts its changes from zero.
    shown = -1;
    live.textContent = stream?.readyState === EventSource.CLOSED ? "Not live: reload the page" : "Not live: the emulator does not respond";
  };
}

function disconnect() {
  stream?.close();
  stream = null;
}

// A browser opens only six connections to one server. A hidden page closes its stream, so that other pages can load.
document.addEventListener("visibilitychange", () => (document.hidden ? disconnect() : stream ?? connect()));
window.addEventListener("pagehide", disconnect);
window.addEventListener("pageshow", () => document.hidden || stream || connect());

setInterval(() => {
  const now = document.getElementById("now");
  if (now?.dataset.clock !== "running") return;
  const at = Number(now.dataset.at) * 1000 + Date.now() - loadedAt;
  now.textContent = new Date(at).toISOString().replace("T", " ").slice(0, 19);
}, 1000);
`;
