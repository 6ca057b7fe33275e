/** What pages have no answer to is asked about one by one: of all pages of a sweep together a few at once. */
import { TollkeeperError } from "../errors.ts";

type Single = string | { id: string };

/**
 * Does something for each of many. One that can't be read is told of and left; an outage ends it, for whatever waits in other
 * pages, too.
 */
export type Singly = <Item extends Single>(items: readonly Item[], act: (item: Item) => Promise<void>) => Promise<void>;

export interface SinglyOptions {
  signal: AbortSignal | undefined;
  /** Told of what can't be read. */
  onTrouble(trouble: string): void;
}

/**
 * With the pages that are waited for they have their turn well before the SDK gives up on them, even where several replicas share
 * the requests of one second.
 */
const AT_ONCE = 24;

/** `failed` is given the ids of what can't be read. */
export function createSingly({ signal, onTrouble }: SinglyOptions, failed: Set<string>): Singly {
  const waiting: (() => Promise<void>)[] = [];
  let working = 0;
  let outage: TollkeeperError | null = null;

  const workOff = async (): Promise<void> => {
    working += 1;
    for (let next = waiting.shift(); next; next = waiting.shift()) await next();
    working -= 1;
  };

  const attempt = async <Item extends Single>(item: Item, act: (item: Item) => Promise<void>): Promise<void> => {
    signal?.throwIfAborted();
    if (outage !== null) throw outage;
    try {
      await act(item);
    } catch (error) {
      if (error instanceof TollkeeperError && error.retryable) throw (outage = error);
      failed.add(typeof item === "string" ? item : item.id);
      onTrouble(`${JSON.stringify(item)} could not be read: ${String(error)}`);
    }
  };

  const inTurn = <Item extends Single>(item: Item, act: (item: Item) => Promise<void>): Promise<void> =>
    new Promise((resolve, reject) => {
      waiting.push(() => attempt(item, act).then(resolve, reject));
      if (working < AT_ONCE) void workOff();
    });

  return async (items, act) => {
    await Promise.all(items.map((item) => inTurn(item, act)));
  };
}
