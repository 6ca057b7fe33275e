/**
 * Names have underscores in statements and capitals in rows. Kysely's plugin for this makes each statement's tree anew, which
 * takes as long as to write its text: here names change as that is written.
 */
import { CamelCasePlugin, type PluginTransformQueryArgs, type RootOperationNode } from "kysely";

const known = new Map<string, string>();

/** As a statement has it. */
export function snakeCase(name: string): string {
  const before = known.get(name);
  if (before !== undefined) return before;
  const snake = name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  known.set(name, snake);
  return snake;
}

/** Renames what comes back. */
export class RowNames extends CamelCasePlugin {
  override transformQuery({ node }: PluginTransformQueryArgs): RootOperationNode {
    return node;
  }
}
