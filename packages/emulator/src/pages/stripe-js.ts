/**
 * Stands in for Stripe.js in a browser test. The script has `createEmbeddedCheckoutPage`, and its older name
 * `initEmbeddedCheckout`. Other functions of Stripe.js throw an error that names the function.
 * @see https://docs.stripe.com/js/embedded_checkout/create
 */
import type { Hono } from "hono";

/** The path of the stand-in. Pages of every site may load it, because its text is the same for all of them. */
export const STRIPE_JS_PATH = "/_emulator/stripe.js";

export function stripeJsRoute(app: Hono, baseUrl: () => string): void {
  app.get(STRIPE_JS_PATH, (c) =>
    c.text(scriptFor(new URL(baseUrl()).origin), 200, { "content-type": "text/javascript" }),
  );
}

function scriptFor(origin: string): string {
  return `(() => {\n"use strict";\nconst EMULATOR = ${JSON.stringify(origin)};\n${BODY}})();\n`;
}

const BODY = `let exists = false;

async function createEmbeddedCheckoutPage({ clientSecret, fetchClientSecret, onComplete = () => {} }) {
  if (exists) throw new Error("You cannot have multiple Embedded Checkout objects.");
  exists = true;
  const secret = await Promise.resolve(clientSecret ?? fetchClientSecret()).catch((error) => {
    exists = false;
    throw error;
  });
  return embeddedCheckout(String(secret), onComplete);
}

function embeddedCheckout(secret, onComplete) {
  const frame = document.createElement("iframe");
  frame.src = EMULATOR + "/c/embed/" + encodeURIComponent(secret);
  frame.title = "Checkout";
  frame.style.cssText = "border: 0; width: 100%; height: 600px";
  let isDestroyed = false;
  const onMessage = ({ origin, source, data }) => {
    if (origin !== EMULATOR || source === null || source !== frame.contentWindow) return;
    if (data.height) frame.style.height = data.height + "px";
    if (!data.complete) return;
    if (data.url === null) onComplete();
    else location.assign(data.url);
  };
  addEventListener("message", onMessage);
  return {
    mount(location) {
      if (isDestroyed) throw new Error("This Embedded Checkout object is destroyed.");
      const parent = typeof location === "string" ? document.querySelector(location) : location;
      if (!parent) throw new Error("The selector you specified (" + location + ") applies to no DOM elements.");
      parent.append(frame);
    },
    unmount: () => frame.remove(),
    destroy() {
      isDestroyed = true;
      exists = false;
      frame.remove();
      removeEventListener("message", onMessage);
    },
  };
}

function missing(name) {
  return () => {
    throw new Error("The emulator's stand-in for Stripe.js does not implement stripe." + name + "().");
  };
}

window.Stripe = Object.assign(
  () => {
    const known = {
      createEmbeddedCheckoutPage,
      initEmbeddedCheckout: createEmbeddedCheckoutPage,
      registerAppInfo() {},
      _registerWrapper() {},
    };
    // Promises read the property "then" of their value.
    const has = (name) => name in known || typeof name !== "string" || name === "then";
    return new Proxy(known, { get: (_known, name) => (has(name) ? known[name] : missing(name)) });
  },
  { version: "endive" },
);
`;
