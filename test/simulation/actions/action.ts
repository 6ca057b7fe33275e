/** Defines an action in a schedule of the simulation. A user, an operator, Stripe or the clock performs the action. */
import type { Simulation } from "../simulation.ts";

export const USERS = ["ada", "bob", "cyd"] as const;
export type User = (typeof USERS)[number];

export type Act = (simulation: Simulation, user: User) => Promise<void>;

export interface Action {
  /** The relative frequency of the action in random schedules. */
  weight: number;
  act: Act;
  /**
   * If true, the simulation finishes all pending work before the action begins, and again before the action ends. Actions that
   * move the clock by days need the setting `untilQuiet`.
   */
  untilQuiet?: true;
}

export const HOUR = 3_600;
export const DAY = 86_400;
