import { defineConfig } from "vitest/config";

const LONG_START_MS = 60_000;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: ["test/support/global-setup.ts"],
    testTimeout: 30_000,
    hookTimeout: LONG_START_MS,
    reporters: ["default"],
  },
});
