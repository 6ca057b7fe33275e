/** Ids as Stripe makes them: they begin with the time, so that they sort by when they were made. */
import { randomText } from "./random.ts";
import type { World } from "./world.ts";

/** In ASCII's order, which is what makes the ids sort. */
const DIGITS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
/** From where Stripe's ids count, in seconds. */
const EPOCH = 1_342_389_380;
/** What belongs to a payment begins with a 3, all else with a 1. */
const OF_PAYMENTS: ReadonlySet<string> = new Set(["pi", "ch", "re"]);

/** The usual one, such as `price_1PmHofKXBGcbgpbZCVOHQep3`: 24 characters, in the order of seconds. */
export function newId(world: World, prefix: string): string {
  const kind = OF_PAYMENTS.has(prefix) ? "3" : "1";
  return `${prefix}_${kind}${inDigits(world.state.now - EPOCH, 5)}${randomText(world.state, 18)}`;
}

/** That of a customer, a product or an item, such as `cus_TL2gsQ7ihn5JSH`: 14 characters, in the order of minutes. */
export function newShortId(world: World, prefix: string): string {
  return `${prefix}_${inDigits(Math.floor((world.state.now - EPOCH) / 60), 4)}${randomText(world.state, 10)}`;
}

/** One that says nothing of when it was made: of a request, a session, a secret. */
export function newToken({ state }: Pick<World, "state">, prefix: string, length: number): string {
  return `${prefix}_${randomText(state, length)}`;
}

/** What was before the epoch looks as if it were then. */
function inDigits(count: number, length: number): string {
  let digits = "";
  for (let rest = Math.max(0, count); digits.length < length; rest = Math.floor(rest / DIGITS.length))
    digits = DIGITS.charAt(rest % DIGITS.length) + digits;
  return digits;
}
