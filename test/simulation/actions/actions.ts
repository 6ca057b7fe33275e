/**
 * All actions. Lists all actions. The effect of an action depends only on the action's seed and on the state before the action.
 */
import type { Action, User } from "./action.ts";
import { burst, renewals, slowBurst, sweepAndBurst } from "./burst-actions.ts";
import {
  badCard,
  changePlan,
  dashboardCancel,
  dashboardCustomer,
  dashboardEnd,
  dashboardMany,
  dashboardSubscription,
  decideDispute,
  deleteCustomer,
  dispute,
  goodCard,
  moveCustomer,
  pauseCollection,
  payInvoice,
  refund,
  renameProduct,
  secondCustomer,
} from "./dashboard-actions.ts";
import { deliveryFault, doubleEvents, forgedEvent, heal, partition, silence } from "./delivery-actions.ts";
import { gift, swallowed, unseen } from "./lost-event-actions.ts";
import { comeback, hasty, lastLink, lastMinute } from "./purchase-actions.ts";
import {
  changeCatalogue,
  commandLine,
  crash,
  freeze,
  outage,
  reconcile,
  restart,
  restoreBackup,
  shortTime,
  time,
  wrongKey,
} from "./replica-actions.ts";
import type { Simulation } from "../simulation.ts";
import { buy, cancelRoute, checkout, pay, portal, resumeRoute, returnPage, viewSubscriptions } from "./user-actions.ts";

async function twoTabs(simulation: Simulation, user: User): Promise<void> {
  await Promise.all([checkout(simulation, user), checkout(simulation, user)]);
}

/** The name of the action that restores the database from a backup. */
export const RESTORE_BACKUP = "restore_backup";

/** The order of the list of actions determines which action a seed picks. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  checkout: { weight: 8, act: checkout },
  two_tabs: { weight: 4, act: twoTabs },
  buy: { weight: 8, act: buy },
  pay: { weight: 6, act: pay },
  return_page: { weight: 4, act: returnPage },
  view_subscriptions: { weight: 3, act: viewSubscriptions },
  cancel: { weight: 4, act: cancelRoute },
  resume: { weight: 3, act: resumeRoute },
  portal: { weight: 2, act: portal },
  dashboard_cancel: { weight: 3, act: dashboardCancel },
  dashboard_end: { weight: 2, act: dashboardEnd },
  dashboard_plan: { weight: 3, act: changePlan },
  dashboard_subscription: { weight: 2, act: dashboardSubscription },
  dashboard_many: { weight: 1, act: dashboardMany },
  dashboard_customer: { weight: 1, act: dashboardCustomer },
  delete_customer: { weight: 1, act: deleteCustomer },
  bad_card: { weight: 3, act: badCard },
  good_card: { weight: 3, act: goodCard },
  refund: { weight: 3, act: refund },
  pay_invoice: { weight: 2, act: payInvoice },
  dispute: { weight: 5, act: dispute },
  decide_dispute: { weight: 2, act: decideDispute },
  pause_collection: { weight: 3, act: pauseCollection },
  second_customer: { weight: 2, act: secondCustomer },
  move_customer: { weight: 2, act: moveCustomer },
  rename_product: { weight: 1, act: renameProduct },
  short_time: { weight: 6, act: shortTime },
  time: { weight: 10, act: time, untilQuiet: true },
  crash: { weight: 4, act: crash },
  restart: { weight: 5, act: restart },
  freeze: { weight: 3, act: freeze },
  reconcile: { weight: 4, act: reconcile },
  wrong_key: { weight: 1, act: wrongKey, untilQuiet: true },
  change_catalogue: { weight: 2, act: changeCatalogue, untilQuiet: true },
  command_line: { weight: 3, act: commandLine },
  [RESTORE_BACKUP]: { weight: 1, act: restoreBackup, untilQuiet: true },
  comeback: { weight: 3, act: comeback, untilQuiet: true },
  last_minute: { weight: 2, act: lastMinute, untilQuiet: true },
  last_link: { weight: 1, act: lastLink, untilQuiet: true },
  hasty: { weight: 4, act: hasty, untilQuiet: true },
  burst: { weight: 10, act: burst },
  sweep_and_burst: { weight: 4, act: sweepAndBurst, untilQuiet: true },
  renewals: { weight: 3, act: renewals, untilQuiet: true },
  slow_burst: { weight: 4, act: slowBurst, untilQuiet: true },
  outage: { weight: 1, act: outage, untilQuiet: true },
  swallowed: { weight: 2, act: swallowed, untilQuiet: true },
  unseen: { weight: 2, act: unseen, untilQuiet: true },
  gift: { weight: 2, act: gift, untilQuiet: true },
  partition: { weight: 2, act: partition },
  silence: { weight: 2, act: silence },
  heal: { weight: 4, act: heal },
  double_events: { weight: 3, act: doubleEvents },
  forged_event: { weight: 3, act: forgedEvent },
  delivery_fault: { weight: 6, act: deliveryFault },
};
