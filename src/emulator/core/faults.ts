/** Faults on demand: the next matching requests fail as Stripe or a network would. */
import { z } from "zod";
import type { State } from "./world.ts";

export const FaultInput = z.strictObject({
  method: z.enum(["GET", "POST", "DELETE"]).optional(),
  /** The path begins with this. */
  path: z.string().min(1),
  /** A status to answer with, or a connection that breaks. */
  answer: z.union([z.int().min(400).max(599), z.literal("reset")]),
  /** Whether the request takes effect all the same. Default before. */
  when: z.enum(["before", "after"]).default("before"),
  /** How many matching requests fail. Default 1. */
  times: z.int().min(1).max(1_000_000).default(1),
  /** How many matching requests pass first. Default 0. */
  skip: z.int().min(0).default(0),
});

export type Fault = z.infer<typeof FaultInput>;

/** The fault that this request meets, counted down. */
export function takeFault(state: State, method: string, path: string): Fault | null {
  for (const fault of state.faults) {
    if ((fault.method && fault.method !== method) || !path.startsWith(fault.path)) continue;
    if (fault.skip > 0) {
      fault.skip -= 1;
      continue;
    }
    fault.times -= 1;
    if (fault.times <= 0) state.faults = state.faults.filter((other) => other !== fault);
    return fault;
  }
  return null;
}
