/** The list of all HTML pages that the emulator serves. */
import type { Hono } from "hono";
import type { Engine } from "../engine.ts";
import { challengePage } from "./challenge.ts";
import { checkoutRecoveryPage } from "./checkout-recovery.ts";
import { checkoutPage } from "./checkout.ts";
import { embeddedCheckoutPage } from "./embedded-checkout.ts";
import { invoicePage } from "./invoice.ts";
import { portalPage } from "./portal.ts";
import { receiptPage } from "./receipt.ts";
import { viewerPage } from "./viewer/viewer.ts";

export const PAGES: readonly ((app: Hono, engine: Engine) => void)[] = [
  viewerPage,
  checkoutPage,
  checkoutRecoveryPage,
  embeddedCheckoutPage,
  challengePage,
  portalPage,
  invoicePage,
  receiptPage,
];
