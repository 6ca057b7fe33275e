/** Creates spans with the app's OpenTelemetry tracer. Without a tracer, no package of OpenTelemetry is needed. */

export type SpanAttributes = Record<string, string | number | boolean>;

/** The subset of OpenTelemetry's `Span` that this package uses. */
export interface Span {
  setAttributes(attributes: SpanAttributes): unknown;
  setStatus(status: { code: number; message?: string }): unknown;
  end(): void;
}

/**
 * The subset of OpenTelemetry's `Tracer` that this package uses.
 * @see https://opentelemetry.io/docs/languages/js/instrumentation/
 */
export interface Tracer {
  startActiveSpan<Result>(name: string, options: { attributes?: SpanAttributes }, work: (span: Span) => Result): Result;
}

/**
 * Runs a function within a span of the trace. The function can add attributes to its trace span with `note`. Attributes of
 * trace spans are ids and outcomes, never secrets or personal data.
 */
export type Trace = <Result>(
  name: string,
  attributes: SpanAttributes,
  work: (note: (attributes: SpanAttributes) => void) => Promise<Result>,
) => Promise<Result>;

/** Value of OpenTelemetry's `SpanStatusCode.ERROR`. */
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

/**
 * Returns the code or the name of an error. Trace spans do not contain the error's message, because the message may contain
 * data of a request.
 */
function nameOf(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  return "code" in error && typeof error.code === "string" ? error.code : error.name;
}
