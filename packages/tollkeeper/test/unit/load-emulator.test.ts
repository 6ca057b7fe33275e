import { expect, test } from "vitest";
import { ConfigError } from "../../src/errors.ts";
import { loadEmulator } from "../../src/testing/harness/index.ts";

function failWith(message: string) {
  return () => Promise.reject(Object.assign(new Error(message), { code: "ERR_MODULE_NOT_FOUND" }));
}

test("the test harness names the command that installs a missing emulator", async () => {
  const loading = loadEmulator(failWith("Cannot find package '@tollkeeper/emulator' imported from /app/test.js"));
  await expect(loading).rejects.toBeInstanceOf(ConfigError);
  await expect(loading).rejects.toThrow("npm install --save-dev @tollkeeper/emulator");
});

test("the test harness does not hide an error inside the installed emulator", async () => {
  const message = "Cannot find package 'hono' imported from /app/node_modules/@tollkeeper/emulator/dist/index.js";
  await expect(loadEmulator(failWith(message))).rejects.toThrow(message);
});

test("the test harness loads createEmulator from the emulator's package", async () => {
  const createEmulator = () => {
    throw new Error("not called");
  };
  const names: string[] = [];
  const loaded = await loadEmulator(async (name) => {
    names.push(name);
    return { createEmulator };
  });
  expect(loaded).toBe(createEmulator);
  expect(names).toEqual(["@tollkeeper/emulator"]);
});
