/**
 * Prints timelines when a test fails. Knows vitest, node:test and jest. With another runner, or in tests that run at the same
 * time, the test passes its context.
 */

/** The context that vitest or node:test passes to a test. */
export type TestContext =
  | { onTestFailed(act: () => void): void; onTestFinished(act: () => Promise<void>): void }
  | { after(act: () => Promise<void>): void; readonly passed?: boolean };

export interface TestEnd {
  /** Prints what happened. */
  failed: () => void;
  finished: () => Promise<void>;
}

/** Calls `failed` if the test fails, and then `finished`. Without a context, a runner that is not known calls neither. */
export async function onTestEnd(context: TestContext | undefined, end: TestEnd): Promise<void> {
  if (context) return bindTo(context, end);
  if (process.env["VITEST"] !== undefined) return bindToVitest(end);
  unfinished.push(end);
}

function bindTo(context: TestContext, { failed, finished }: TestEnd): void {
  if ("onTestFailed" in context) {
    context.onTestFailed(failed);
    return context.onTestFinished(finished);
  }
  context.after(async () => {
    if (context.passed === false) failed();
    await finished();
  });
}

/** Vitest refuses outside a test and in concurrent tests. There, nothing is printed, and the caller stops the service. */
async function bindToVitest(end: TestEnd): Promise<void> {
  try {
    bindTo((await import(VITEST)) as TestContext, end);
  } catch {}
}

/** A name in a variable, so that the compiler and bundlers do not need the package. */
const VITEST: string = "vitest";

/** The billings that were created since the last test ended. */
let unfinished: TestEnd[] = [];

function testEnded(hasFailed: boolean): void {
  if (hasFailed) for (const { failed } of unfinished) failed();
  unfinished = [];
}

/** Registers with node:test and jest for all tests of the file that imports the kit. */
async function register(): Promise<void> {
  if (process.env["NODE_TEST_CONTEXT"] !== undefined) {
    const { afterEach } = await import("node:test");
    afterEach((context) => testEnded((context as { passed?: boolean }).passed === false));
  } else if (process.env["JEST_WORKER_ID"] !== undefined) {
    const { afterEach } = globalThis as { afterEach?: (act: () => void) => void };
    afterEach?.(() => testEnded(jestErrors() > 0));
  }
}

/** Returns the number of errors of jest's current test. Jest's runner keeps its state under a symbol with this description. */
function jestErrors(): number {
  const symbol = Object.getOwnPropertySymbols(globalThis).find(
    ({ description }) => description === "JEST_STATE_SYMBOL",
  );
  const state =
    symbol && (globalThis as unknown as Record<symbol, { currentlyRunningTest?: { errors: unknown[] } }>)[symbol];
  return state?.currentlyRunningTest?.errors.length ?? 0;
}

await register();
