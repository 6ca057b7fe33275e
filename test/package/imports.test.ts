import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { ROOT, runNode } from "../support/program.ts";

/** Frameworks such as Next import the browser modules on a server too, which has no `window` and no `HTMLElement`. */
const FOLDER = join(ROOT, "packages/tollkeeper");
const { exports } = JSON.parse(readFileSync(join(FOLDER, "package.json"), "utf8")) as { exports: object };
const SUBPATHS = Object.keys(exports).filter((subpath) => subpath !== "./package.json");

/** Runs JavaScript in a plain Node process that sees the package as an app does. Returns the process's exit code and output. */
async function run(script: string): Promise<{ code: number | null; output: string }> {
  const program = runNode(["--input-type=module", "--eval", script], { cwd: FOLDER });
  return { code: await program.exited, output: program.output().trim() };
}

describe("on a server without a DOM", () => {
  test.each(SUBPATHS)("the subpath %s of the package can be imported", async (subpath) => {
    const name = subpath.replace(".", "tollkeeper");
    const script = `
      if (typeof window !== "undefined" || typeof HTMLElement !== "undefined") throw new Error("this process has a DOM");
      console.log(Object.keys(await import(${JSON.stringify(name)})).length > 0);`;
    expect(await run(script)).toEqual({ code: 0, output: "true" });
  });

  test("the browser client can be created, is not available, and finds no return from checkout", async () => {
    const script = `
      import { createTollkeeperClient } from "tollkeeper/browser";
      const client = createTollkeeperClient({ getToken: () => null });
      console.log(client.isAvailable(), await client.handleReturn());
      console.log(await client.stripe().catch((error) => error.code));`;
    expect(await run(script)).toEqual({ code: 0, output: "false null\nnot_in_browser" });
  });
});
