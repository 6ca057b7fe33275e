/**
 * Turns the requests of a scenario file into HTTP requests. A scenario file has the format of the Stripe CLI's fixtures: a list
 * of API requests. A request refers to an earlier response as `${name:path.to.field|default}`.
 * @see https://docs.stripe.com/cli/fixtures
 */
import { z } from "zod";

type Param = string | number | boolean | Param[] | { [name: string]: Param };

const Params: z.ZodType<Param> = z.lazy(() =>
  z.union([z.string(), z.number(), z.boolean(), z.array(Params), z.record(z.string(), Params)]),
);

const RequestInScenario = z.object({
  name: z.string().min(1),
  method: z.string().regex(/^(get|post|delete)$/i, "get, post or delete"),
  path: z.string().startsWith("/v"),
  params: z.record(z.string(), Params).optional(),
  expected_error_type: z.string().optional(),
  idempotency_key: z.string().optional(),
  headers: z.record(z.string(), z.string()).optional(),
});

const ScenarioFile = z.object({ fixtures: z.array(RequestInScenario).min(1) });

export type Scenario = z.output<typeof ScenarioFile>;
export type ScenarioRequest = Scenario["fixtures"][number];

/** The body of an API response. */
export interface Body {
  error?: { type: string; message: string };
  [field: string]: unknown;
}

/** Maps the name of each earlier request to the body of its response. */
export type Responses = ReadonlyMap<string, Body>;

/** Parses a scenario file. Throws an error that names the invalid field. */
export function parseScenario(text: string): Scenario {
  const parsed = ScenarioFile.safeParse(parseJson(text));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw scenarioError(`${issue?.path.join(".") || "the file"}: ${issue?.message ?? "invalid"}`);
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw scenarioError(cause instanceof Error ? cause.message : String(cause));
  }
}

function scenarioError(problem: string): Error {
  return Object.assign(
    new Error(
      `The scenario is invalid (${problem}). Use the format of the Stripe CLI's fixtures: {"fixtures": [...]}.`,
    ),
    { code: "usage" },
  );
}

/** Returns the HTTP request of one request of a scenario, with the values of earlier responses. */
export function toRequest(
  { baseUrl, key }: { baseUrl: string; key: string },
  request: ScenarioRequest,
  earlier: Responses,
): Request {
  const fill = (text: string) => resolve(text, earlier);
  const method = request.method.toUpperCase();
  const form = new URLSearchParams(fields(request.params ?? {}, "", fill)).toString();
  const url = `${baseUrl}${fill(request.path)}`;
  return new Request(method === "POST" || form === "" ? url : `${url}?${form}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      "content-type": "application/x-www-form-urlencoded",
      ...(request.idempotency_key !== undefined && { "idempotency-key": fill(request.idempotency_key) }),
      ...Object.fromEntries(Object.entries(request.headers ?? {}).map(([name, value]) => [name, fill(value)])),
    },
    ...(method === "POST" && { body: form }),
  });
}

/**
 * Encodes parameters as form fields. If a list contains objects, the form field of each element has an index, such as
 * `items[0][price]`. If a list contains no objects, its form fields have no index, such as `expand[]`.
 */
function fields(value: Param, name: string, fill: (text: string) => string): [string, string][] {
  if (Array.isArray(value))
    return value.flatMap((entry, at) => fields(entry, `${name}[${typeof entry === "object" ? at : ""}]`, fill));
  if (typeof value === "object")
    return Object.entries(value).flatMap(([key, inner]) => fields(inner, name === "" ? key : `${name}[${key}]`, fill));
  return [[name, fill(String(value))]];
}

const REFERENCE = /\$\{([^|}:]+):([^|}]+)(?:\|([^}]+))?\}/g;

function resolve(text: string, earlier: Responses): string {
  return text.replaceAll(REFERENCE, (whole: string, name: string, path: string, fallback: string | undefined) => {
    const response = earlier.get(name);
    if (!response) throw scenarioError(`it refers to ${name}, but no earlier request has this name`);
    const found = path
      .split(".")
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | null | undefined)?.[part], response);
    return typeof found === "string" || typeof found === "number" ? String(found) : (fallback ?? whole);
  });
}
