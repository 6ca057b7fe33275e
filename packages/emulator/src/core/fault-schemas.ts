/** Schemas of faults, which make requests and deliveries fail. */
import { z } from "zod";

const matchCounts = {
  /** The number of matching requests or deliveries that the fault affects. Default 1. */
  times: z.int().min(1).max(1_000_000).default(1),
  /** The number of matching requests or deliveries that the fault skips first. Default 0. */
  skip: z.int().min(0).default(0),
  /** The probability that the fault affects a matching request or delivery. Default 1. */
  probability: z.number().gt(0).max(1).default(1),
  /** The seed of the probability. Equal seeds give equal sequences of affected requests. Default 1. */
  seed: z.int().default(1),
};

/** The longest delay of a response, in milliseconds. */
const MAX_DELAY_MS = 10 * 60_000;

export const FaultInput = z.strictObject({
  method: z.enum(["GET", "POST", "DELETE"]).optional(),
  /** The fault affects only URL paths that start with this text. Default: all paths. */
  path: z.string().min(1).default("/"),
  /** The fault affects only requests with this customer ID in the path or the parameters. Default: all requests. */
  customer: z.string().optional(),
  /** The fault affects only requests with this idempotency key. Default: all requests. */
  key: z.string().optional(),
  /**
   * The response to a request that the fault affects:
   * - a number from 400 to 599 returns Stripe's error with that status
   * - `lock_timeout` returns Stripe's 429 for a locked object
   * - `reset` breaks the connection of the request
   * - `timeout` never sends a response to the request
   * - `cut` ends the body of the response early
   * - `stale` makes lists and searches omit objects that were created less than `seconds` ago
   * - `decline` declines the payment with the decline code `code`
   * - `delay` delays the response by `milliseconds`
   */
  answer: z.union([
    z.int().min(400).max(599),
    z.enum(["lock_timeout", "reset", "timeout", "cut", "stale", "decline", "delay"]),
  ]),
  /** The moment at which the request fails or waits: before or after the request takes effect. Default "before". */
  when: z.enum(["before", "after"]).default("before"),
  /**
   * Under a `stale` fault, lists and searches omit objects that were created less than this number of seconds ago. Default 60.
   */
  seconds: z.int().min(1).max(86_400).default(60),
  /**
   * The delay of a `delay` fault. If the emulator's clock stands still, the response waits until the clock has moved by the
   * delay, rounded up to a second. Default 1000.
   */
  milliseconds: z.int().min(1).max(MAX_DELAY_MS).default(1_000),
  /** The decline code of a `decline` fault. Default `generic_decline`. */
  code: z.string().default("generic_decline"),
  ...matchCounts,
});

export type Fault = z.infer<typeof FaultInput>;

export const DeliveryFaultInput = z.strictObject({
  /** The fault affects only deliveries of this event type. Default: all types. */
  type: z.string().optional(),
  /**
   * The effect of the fault on the delivery of an event:
   * - `drop` records a success without sending the event
   * - `lose_answer` sends the event but records a failure
   * - `duplicate` sends the event twice in sequence, `twice_at_once` twice in parallel
   * - `delay` sends the event after `seconds`
   * - `reorder` reverses the order of all due deliveries
   * - `wrong_signature` signs with a wrong secret, `stale_time` signs with an old timestamp
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
  ...matchCounts,
});

export type DeliveryFault = z.infer<typeof DeliveryFaultInput>;
