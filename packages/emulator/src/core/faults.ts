/** Finds the fault that applies to a request or a delivery. */
import type { DeliveryFault, Fault } from "./fault-schemas.ts";
import { nextRandom } from "./random.ts";
import type { State } from "./state.ts";

export interface FaultedRequest {
  method: string;
  path: string;
  /** A fault for a customer applies if the URL or the body of the request contains the customer's ID. */
  text: string;
  key: string | null;
}

/**
 * Returns the fault that applies to a request, and decrements the number of requests that the fault still affects. Returns null
 * if no fault applies to the request.
 */
export function consumeFault(state: State, request: FaultedRequest): Fault | null {
  const fault = consume(
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

export function consumeDeliveryFault(state: State, type: string): DeliveryFault | null {
  const fault = consume(state.deliveryFaults, (one) => one.effect !== "reorder" && (one.type ?? type) === type);
  state.deliveryFaults = state.deliveryFaults.filter((one) => one.times > 0);
  return fault;
}

/**
 * Returns whether a `reorder` fault reverses the deliveries that are due now. Decrements the number of
 * times that the `reorder` fault still applies.
 */
export function consumeReordering(state: State): boolean {
  const fault = consume(state.deliveryFaults, (one) => one.effect === "reorder");
  state.deliveryFaults = state.deliveryFaults.filter((one) => one.times > 0);
  return fault !== null;
}

function consume<T extends Pick<Fault, "skip" | "times" | "probability" | "seed">>(
  faults: readonly T[],
  matches: (fault: T) => boolean,
): T | null {
  for (const fault of faults) {
    if (!matches(fault)) continue;
    if (fault.skip > 0) {
      fault.skip -= 1;
      continue;
    }
    if (fault.probability < 1 && nextRandom(fault) >= fault.probability) continue;
    fault.times -= 1;
    return fault;
  }
  return null;
}
