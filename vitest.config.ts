import { defineConfig } from "vitest/config";

const LONG_START_MS = 60_000;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts", "examples/*/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    setupFiles: ["test/support/name-browser.ts"],
    testTimeout: 30_000,
    hookTimeout: LONG_START_MS,
    // Most tests wait for processes and browsers, so running two test files at once is faster even on two cores, where the
    // default is one.
    maxWorkers: "100%",
    // Threads start faster than processes.
    pool: "threads",
    reporters: ["default"],
  },
});
