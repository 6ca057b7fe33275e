/** Records the hooks that run. */
import { AsyncLocalStorage } from "node:async_hooks";
import { HOOK_NAMES, type HookName, type Hooks } from "../domain/hooks.ts";

type EventOf<Name extends HookName> = Parameters<NonNullable<Hooks[Name]>>[0];

/** One run of a hook. */
export type HookRun = {
  [Name in HookName]: {
    hook: Name;
    event: EventOf<Name>;
    /** The virtual time of the run. */
    at: Date;
    /** The error that the app's hook threw; undefined if it threw none. */
    error?: unknown;
  };
}[HookName];

const inHook = new AsyncLocalStorage<boolean>();

/** Returns true while one of the app's hooks runs, in the code that the hook called. */
export function isInHook(): boolean {
  return inHook.getStore() === true;
}

/** Returns hooks that call the app's hooks and report each run. Hooks that the app does not define are reported too. */
export function recordHooks(hooks: Hooks, now: () => number, onRun: (run: HookRun) => void): Hooks {
  const record =
    (hook: HookName) =>
    async (event: EventOf<HookName>): Promise<void> => {
      const run = { hook, event, at: new Date(now()) } as HookRun;
      try {
        await inHook.run(true, async () => (hooks[hook] as ((given: typeof event) => unknown) | undefined)?.(event));
      } catch (error) {
        run.error = error;
        throw error;
      } finally {
        onRun(run);
      }
    };
  return Object.fromEntries(HOOK_NAMES.map((hook) => [hook, record(hook)]));
}
