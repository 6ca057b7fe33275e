import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { findNodeProblem } from "../../src/node-version.ts";

test.each(["22.18.0", "22.20.1", "24.0.0", "100.0.0"])("Node %s is new enough", (version) => {
  expect(findNodeProblem(version)).toBeNull();
});

test.each(["22.17.9", "20.20.2", "18.0.0", "9.99.0"])(
  "Node %s is too old, and the text names the needed version",
  (version) => {
    expect(findNodeProblem(version)).toBe(
      `tollkeeper needs Node 22.18 or newer, but this is Node ${version}. Install a newer Node: https://nodejs.org`,
    );
  },
);

test.each(["tollkeeper", "emulator"])(
  "the README of package %s names the Node version that the package needs",
  (name) => {
    const folder = new URL(`../../../${name}/`, import.meta.url);
    const { engines } = JSON.parse(readFileSync(new URL("package.json", folder), "utf8")) as {
      engines: { node: string };
    };
    expect(readFileSync(new URL("README.md", folder), "utf8")).toContain(
      `Node ${engines.node.replace(">=", "")} or newer`,
    );
  },
);
