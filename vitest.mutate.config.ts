/** The tests that `npm run mutate` runs. The variable `MUTATE_TESTS` lists the files of these tests, separated by spaces. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: (process.env["MUTATE_TESTS"] ?? "").split(" "),
    globalSetup: ["packages/tollkeeper/test/support/mutation-setup.ts"],
    // A mutant that hangs fails by this limit, which is faster than to restart the process.
    testTimeout: 15_000,
  },
});
