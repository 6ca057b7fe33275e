/** Tests the alert rules and the dashboard in docs/monitoring. */
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { expect, test } from "vitest";
import { createTestHarness, DAY } from "../support/harness.ts";
import { ROOT } from "../support/program.ts";

interface Rule {
  alert?: string;
  record?: string;
  expr: string;
  labels?: { severity: string };
  annotations?: { summary: string; action: string };
}

/** Reads YAML with the parser of a development tool. */
const { parse } = createRequire(import.meta.resolve("knip"))("yaml") as { parse: (text: string) => unknown };
const read = (name: string): string => readFileSync(join(ROOT, "docs/monitoring", name), "utf8");

function readRules(): Rule[] {
  const { groups } = parse(read("alerts.yml")) as { groups: { name: string; rules: Rule[] }[] };
  return groups.flatMap(({ rules }) => rules);
}

interface Panel {
  id: number;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string; refId: string }[];
}

const readPanels = (): Panel[] => (JSON.parse(read("dashboard.json")) as { panels: Panel[] }).panels;

/** Returns what `/metrics` shows after a purchase. */
async function readMetrics(): Promise<string> {
  const token = "metrics-token-of-the-test";
  const billing = await createTestHarness({ options: { metricsToken: token } });
  await billing.subscribe("ada");
  await billing.advance(DAY);
  const headers = { authorization: `Bearer ${token}` };
  return (await billing.service.fetch(new Request("http://app.test/stripe/metrics", { headers }))).text();
}

const METRIC = /\btollkeeper_\w+/g;
/** A metric with label values, such as `tollkeeper_payments_total{outcome=~"paid|failed"}`. */
const SELECTOR = /\b(tollkeeper_\w+)\{(\w+)=~?"([^"]+)"\}/g;

test("the alert rules and the dashboard use only metrics and labels that /metrics shows", async () => {
  const metrics = await readMetrics();
  const names = new Set([...metrics.matchAll(/^(tollkeeper_\w+)/gm)].map(([, name]) => name));
  const expressions = [...readRules(), ...readPanels().flatMap(({ targets }) => targets)].map(({ expr }) => expr);
  expect(expressions.length).toBeGreaterThan(20);
  for (const expression of expressions) {
    for (const [name] of expression.matchAll(METRIC)) expect(names, expression).toContain(name);
    for (const [, name = "", label = "", values = ""] of expression.matchAll(SELECTOR))
      for (const value of label === "status" ? [] : values.split("|"))
        expect(metrics, expression).toMatch(new RegExp(`^${name}\\{.*${label}="${value}"`, "m"));
    for (const [, labels = ""] of expression.matchAll(/\bby \(([\w, ]+)\)/g))
      for (const label of labels.split(", ")) expect(metrics, expression).toContain(`${label}="`);
  }
});

test("each alert rule has a severity, a summary and an action, and the recorded rate is used", () => {
  const rules = readRules();
  for (const { alert, labels, annotations } of rules.filter((rule) => rule.alert !== undefined)) {
    expect(alert).toMatch(/^Tollkeeper[A-Z]\w+$/);
    expect(labels?.severity).toMatch(/^(page|ticket)$/);
    expect(annotations).toEqual({ summary: expect.any(String) as string, action: expect.any(String) as string });
  }
  expect(new Set(rules.map(({ alert, record }) => alert ?? record)).size).toBe(rules.length);
  const recorded = rules.flatMap(({ record }) => record ?? []);
  expect(recorded).toEqual(["tollkeeper:payment_success_rate:6h"]);
  for (const name of recorded) expect(rules.some(({ expr }) => expr.includes(`${name} `))).toBe(true);
});

test("the threshold of the alert about lost access exists if no subscription is left", () => {
  const rule = readRules().find(({ alert }) => alert === "TollkeeperAccessEndsForMany");
  // In PromQL, the sum of no series is empty, and so is each result that is computed from it.
  const threshold = rule?.expr.split(">")[1] ?? "";
  expect(threshold).toMatch(/\(sum\(.*tollkeeper_subscriptions\)+ or vector\(0\)\)$/m);
  expect(rule?.expr.split(">")).toHaveLength(2);
});

test("the parentheses and braces of all expressions are balanced", () => {
  for (const { expr } of [...readRules(), ...readPanels().flatMap(({ targets }) => targets)])
    for (const [open, close] of [
      ["(", ")"],
      ["{", "}"],
      ["[", "]"],
    ] as const)
      expect(expr.split(open).length, expr).toBe(expr.split(close).length);
});

test("the panels of the dashboard have unique ids and do not overlap", () => {
  const panels = readPanels();
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
});

test("the page about operations explains every metric that /metrics shows", async () => {
  const page = readFileSync(join(ROOT, "docs/operations.md"), "utf8");
  const names = [...(await readMetrics()).matchAll(/^# TYPE (\w+)/gm)].map(([, name]) => name);
  for (const name of names) expect(page).toContain(`\`${name}`);
});
