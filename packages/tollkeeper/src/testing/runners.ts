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
  if (isRegistered) unfinished.push(end);
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

/**
 * Does nothing outside a test, where vitest refuses. Does nothing in concurrent tests either, because vitest knows only which of
 * them started last.
 */
async function bindToVitest(end: TestEnd): Promise<void> {
  try {
    const vitest = (await import(VITEST)) as Vitest;
    if ((await findCurrentTest(vitest))?.concurrent !== true) bindTo(vitest, end);
  } catch {}
}

type CurrentTest = { concurrent?: boolean } | undefined;
type Vitest = TestContext & { TestRunner?: { getCurrentTest?: () => CurrentTest } };

/** Vitest 5 has the function in its main module, and earlier versions in a module of its own. */
async function findCurrentTest({ TestRunner }: Vitest): Promise<CurrentTest> {
  if (TestRunner?.getCurrentTest) return TestRunner.getCurrentTest();
  const { getCurrentTest } = (await import(`${VITEST}/suite`)) as { getCurrentTest(): CurrentTest };
  return getCurrentTest();
}

/** A name in a variable, so that the compiler and bundlers do not need the package. */
const VITEST: string = "vitest";

/** True if the end of each test is reported by the runner. */
let isRegistered = false;
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
    isRegistered = true;
  } else if (process.env["JEST_WORKER_ID"] !== undefined) {
    const { afterEach } = globalThis as { afterEach?: (act: () => void) => void };
    // Jest refuses inside a test, for a kit that the test itself imports.
    try {
      afterEach?.(() => testEnded(jestErrors() > 0));
      isRegistered = afterEach !== undefined;
    } catch {}
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
