/** The list of the route functions of all API resources. */
import type { Api } from "../api.ts";
import { accountRoutes } from "./accounts.ts";
import { chargeRoutes } from "./charges.ts";
import { checkoutSessionRoutes } from "./checkout-sessions.ts";
import { couponRoutes } from "./coupons.ts";
import { creditNoteRoutes } from "./credit-notes.ts";
import { customerSourceRoutes } from "./customer-sources.ts";
import { customerRoutes } from "./customers.ts";
import { disputeRoutes } from "./disputes.ts";
import { emptyListRoutes } from "./empty-lists.ts";
import { entitlementRoutes } from "./entitlements.ts";
import { eventRoutes } from "./events.ts";
import { invoiceItemRoutes } from "./invoice-items.ts";
import { invoicePreviewRoutes } from "./invoice-previews.ts";
import { invoiceRoutes } from "./invoices.ts";
import { meterRoutes } from "./meters.ts";
import { paymentIntentRoutes } from "./payment-intents.ts";
import { paymentMethodRoutes } from "./payment-methods.ts";
import { planRoutes } from "./plans.ts";
import { portalSessionRoutes } from "./portal-sessions.ts";
import { priceRoutes } from "./prices.ts";
import { productRoutes } from "./products.ts";
import { promotionCodeRoutes } from "./promotion-codes.ts";
import { refundRoutes } from "./refunds.ts";
import { setupIntentRoutes } from "./setup-intents.ts";
import { subscriptionItemRoutes } from "./subscription-items.ts";
import { subscriptionPauseRoutes } from "./subscription-pauses.ts";
import { subscriptionScheduleRoutes } from "./subscription-schedules.ts";
import { subscriptionRoutes } from "./subscriptions.ts";
import { taxIdRoutes } from "./tax-ids.ts";
import { taxRateRoutes } from "./tax-rates.ts";
import { testClockRoutes } from "./test-clocks.ts";
import { webhookEndpointRoutes } from "./webhook-endpoints.ts";

export const RESOURCES: readonly ((api: Api) => void)[] = [
  accountRoutes,
  customerRoutes,
  customerSourceRoutes,
  productRoutes,
  priceRoutes,
  planRoutes,
  couponRoutes,
  promotionCodeRoutes,
  taxRateRoutes,
  taxIdRoutes,
  paymentMethodRoutes,
  paymentIntentRoutes,
  setupIntentRoutes,
  chargeRoutes,
  refundRoutes,
  disputeRoutes,
  subscriptionRoutes,
  subscriptionItemRoutes,
  subscriptionPauseRoutes,
  subscriptionScheduleRoutes,
  invoicePreviewRoutes,
  invoiceRoutes,
  invoiceItemRoutes,
  creditNoteRoutes,
  checkoutSessionRoutes,
  portalSessionRoutes,
  entitlementRoutes,
  meterRoutes,
  webhookEndpointRoutes,
  eventRoutes,
  testClockRoutes,
  emptyListRoutes,
];
