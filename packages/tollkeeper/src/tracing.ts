/** Spans for an app that traces: OpenTelemetry's tracer is passed in, and nothing of it is needed otherwise. */

export type SpanAttributes = Record<string, string | number | boolean>;

/** What is used of OpenTelemetry's `Span`. */
export interface Span {
  setAttributes(attributes: SpanAttributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/** What is used of OpenTelemetry's `Tracer`. @see https://opentelemetry.io/docs/languages/js/instrumentation/ */
export interface Tracer {
  startActiveSpan<Result>(name: string, options: { attributes?: SpanAttributes }, work: (span: Span) => Result): Result;
}

/** Runs some work in a span; `note` adds what is known only later. Ids and outcomes only: no secret and nothing personal. */
export type Trace = <Result>(
  name: string,
  attributes: SpanAttributes,
  work: (note: (attributes: SpanAttributes) => void) => Promise<Result>,
) => Promise<Result>;

/** OpenTelemetry's `SpanStatusCode.ERROR`. */
const ERROR = 2;

export function createTrace(tracer: Tracer | undefined): Trace {
  if (!tracer) return (_name, _attributes, work) => work(() => {});
  return (name, attributes, work) =>
    tracer.startActiveSpan(`tollkeeper.${name}`, { attributes }, async (span) => {
      try {
        return await work((more) => void span.setAttributes(more));
      } catch (error) {
        span.setStatus({ code: ERROR, message: nameOf(error) });
        throw error;
      } finally {
        span.end();
      }
    });
}

/** A message may quote what came from outside. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
