/** Faults as data: the next matching requests or deliveries fail as Stripe or a network would. */
import { z } from "zod";
import type { State } from "./world.ts";

const counted = {
  /** How many matches it meets. Default 1. */
  times: z.int().min(1).max(1_000_000).default(1),
  /** How many matches pass first. Default 0. */
  skip: z.int().min(0).default(0),
};

export const FaultInput = z.strictObject({
  method: z.enum(["GET", "POST", "DELETE"]).optional(),
  /** The path begins with this. Default: every path. */
  path: z.string().min(1).default("/"),
  /** Only requests that name this customer, in the path or the parameters. */
  customer: z.string().optional(),
  /** Only requests with this idempotency key. */
  key: z.string().optional(),
  /**
   * A status to answer with; `lock_timeout` is Stripe's 429 for a locked object; `reset` breaks the connection, `timeout`
   * never answers, `cut` ends the body half-way; `stale` answers lists and searches as they were `seconds` ago;
   * `decline` declines the payment that the request makes, with `code`.
   */
  answer: z.union([z.int().min(400).max(599), z.enum(["lock_timeout", "reset", "timeout", "cut", "stale", "decline"])]),
  /** Whether the request takes effect all the same. Default before. */
  when: z.enum(["before", "after"]).default("before"),
  /** For `stale`: how old. Default 60. */
  seconds: z.int().min(1).max(86_400).default(60),
  /** For `decline`: the decline code. Default `generic_decline`. */
  code: z.string().default("generic_decline"),
  ...counted,
});

export type Fault = z.infer<typeof FaultInput>;

export const DeliveryFaultInput = z.strictObject({
  /** The event's type. Default: every type. */
  type: z.string().optional(),
  /**
   * `drop` tells Stripe that it arrived; `lose_answer` delivers it and tells Stripe that it did not; `duplicate` and
   * `twice_at_once` deliver it twice; `delay` holds it back for `seconds`; `reorder` lets later ones go first;
   * `wrong_signature` and `stale_time` sign it so that it must be refused.
   */
  effect: z.enum([
    "drop",
    "lose_answer",
    "duplicate",
    "twice_at_once",
    "delay",
    "reorder",
    "wrong_signature",
    "stale_time",
  ]),
  seconds: z
    .int()
    .min(1)
    .max(30 * 86_400)
    .optional(),
  ...counted,
});

export type DeliveryFault = z.infer<typeof DeliveryFaultInput>;

export interface FaultedRequest {
  method: string;
  path: string;
  /** Path, query and body together: where a customer may be named. */
  text: string;
  key: string | null;
}

/** The fault that this request meets, counted down. */
export function takeFault(state: State, request: FaultedRequest): Fault | null {
  const fault = take(
    state.faults,
    (one) =>
      (one.method === undefined || one.method === request.method) &&
      request.path.startsWith(one.path) &&
      (one.customer === undefined || request.text.includes(one.customer)) &&
      (one.key === undefined || one.key === request.key),
  );
  state.faults = state.faults.filter((one) => one.times > 0);
  return fault;
}

export function takeDeliveryFault(state: State, type: string): DeliveryFault | null {
  const fault = take(state.deliveryFaults, (one) => one.effect !== "reorder" && (one.type ?? type) === type);
  state.deliveryFaults = state.deliveryFaults.filter((one) => one.times > 0);
  return fault;
}

/** Whether the deliveries that are due now are to go in another order. */
export function takeReordering(state: State): boolean {
  const fault = take(state.deliveryFaults, (one) => one.effect === "reorder");
  state.deliveryFaults = state.deliveryFaults.filter((one) => one.times > 0);
  return fault !== null;
}

function take<T extends { skip: number; times: number }>(
  faults: readonly T[],
  matches: (fault: T) => boolean,
): T | null {
  for (const fault of faults) {
    if (!matches(fault)) continue;
    if (fault.skip > 0) {
      fault.skip -= 1;
      continue;
    }
    fault.times -= 1;
    return fault;
  }
  return null;
}
