/** What a request has done before it was refused is taken back: a refusal leaves nothing half-written. */
import { copy } from "./copy.ts";

/** Where a request is under way, the steps that take back what it has done; the last one goes first. */
export interface Undoable {
  undo?: (() => void)[];
}

export function onUndo(world: Undoable, step: () => void): void {
  world.undo?.push(step);
}

export function takeBack(world: Undoable): void {
  for (const step of world.undo?.splice(0).toReversed() ?? []) step();
}

/** To be called before a row is changed. */
export function willChange(world: Undoable, row: object, before: object = copy(row)): void {
  onUndo(world, () => {
    for (const name of Object.keys(row)) if (!(name in before)) delete (row as Record<string, unknown>)[name];
    Object.assign(row, before);
  });
}
