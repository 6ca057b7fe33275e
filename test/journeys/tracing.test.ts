/** Tests the spans that an app with OpenTelemetry receives. */
import { context, SpanStatusCode, trace } from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-base";
import { expect, onTestFinished, test } from "vitest";
import { createTestHarness, type TestHarnessOptions } from "../support/harness.ts";

async function traced(setup: TestHarnessOptions = {}) {
  const exporter = new InMemorySpanExporter();
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable());
  trace.setGlobalTracerProvider(provider);
  onTestFinished(async () => {
    trace.disable();
    context.disable();
    await provider.shutdown();
  });
  const billing = await createTestHarness({
    ...setup,
    options: { ...setup.options, tracer: trace.getTracer("tollkeeper") },
  });
  return { billing, spans: () => exporter.getFinishedSpans() };
}

test("webhooks, events, hooks, routes and requests to Stripe each create a span with the correct parent", async () => {
  const { billing, spans } = await traced({ options: { hooks: { onAccessGranted: () => {} } } });
  await billing.subscribe("ada");
  await billing.service.reconcile({ sweep: true });
  const all = spans();
  const names = new Set(all.map(({ name }) => name));
  expect([...names].toSorted()).toEqual(
    ["hook", "receive_event", "reconcile", "route", "stripe", "sync_event"].map((name) => `tollkeeper.${name}`),
  );
  const parents = new Map(all.map((span) => [span.spanContext().spanId, span.name]));
  const under = (name: string) =>
    all.filter((span) => parents.get(span.parentSpanContext?.spanId ?? "") === `tollkeeper.${name}`);
  expect(under("route").map(({ attributes }) => attributes["url.path"])).toContain("/v1/checkout/sessions");
  expect(under("sync_event").map(({ attributes }) => attributes["url.path"])).toContainEqual(
    expect.stringMatching(/^\/v1\/subscriptions\/sub_/),
  );
  expect(under("reconcile").map(({ attributes }) => attributes["url.path"])).toContain("/v1/customers");
  const received = all.find(({ attributes }) => attributes["eventType"] === "customer.subscription.created");
  expect(received?.attributes).toMatchObject({ outcome: "accepted" });
  const hookSpan = all.find(({ name }) => name === "tollkeeper.hook");
  expect(hookSpan?.attributes).toMatchObject({ hook: "onAccessGranted", attempt: 1 });
});

test("a span of a failure has an error code, and no span contains secrets or personal data", async () => {
  const { billing, spans } = await traced({
    network: (request, next) =>
      request.url.includes("/v1/subscriptions/") ? Promise.reject(new TypeError("ada@example.com")) : next(request),
  });
  await billing.subscribe("ada");
  const failed = spans().filter(({ status }) => status.code === SpanStatusCode.ERROR);
  expect(failed.map(({ name, status }) => `${name} ${status.message}`)).toEqual(
    expect.arrayContaining(["tollkeeper.stripe TypeError", "tollkeeper.sync_event stripe_unavailable"]),
  );
  const text = JSON.stringify(
    spans().map(({ name, attributes, status, events }) => [name, attributes, status, events]),
  );
  expect(text).not.toMatch(/@example\.com|sk_test|whsec_|4242424242424242/);
});
