/** Hands an outbox message to the app's hook. */
import type { HookName, Hooks } from "../domain/hooks.ts";
import type { OutboxMessage } from "../store/outbox.ts";

/** Throws what the hook throws; a hook that the app does not have is done. */
export async function deliverHook(hooks: Hooks, message: OutboxMessage): Promise<void> {
  const hook = hooks[message.hook as HookName] as ((event: unknown) => void | Promise<void>) | undefined;
  await hook?.(JSON.parse(message.payload));
}
