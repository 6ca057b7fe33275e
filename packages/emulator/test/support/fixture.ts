/**
 * Runs fixtures of the Stripe CLI. A fixture is a file with a list of API requests. A request in a fixture refers to an earlier
 * response as `${name:path.to.field|default}`.
 */

export interface Fixture {
  fixtures: FixtureRequest[];
}

interface FixtureRequest {
  name: string;
  method: string;
  path: string;
  params?: Record<string, Param>;
  expected_error_type?: string;
  idempotency_key?: string;
  headers?: Record<string, string>;
}

type Param = string | number | boolean | Param[] | { [name: string]: Param };

/**
 * Contains the response to one request of a fixture. Also contains the error type that the fixture expects, or null if the
 * fixture expects success.
 */
export interface Played {
  name: string;
  status: number;
  body: Body;
  expectedErrorType: string | null;
}

export interface Body {
  error?: { type: string; message: string };
  [field: string]: unknown;
}

type Fetch = (request: Request) => Promise<Response>;

export async function play(fetch: Fetch, baseUrl: string, key: string, fixture: Fixture): Promise<Played[]> {
  const answers = new Map<string, Body>();
  const played: Played[] = [];
  for (const request of fixture.fixtures) {
    const response = await fetch(toRequest(baseUrl, key, request, answers));
    const body = (await response.json()) as Body;
    answers.set(request.name, body);
    played.push({
      name: request.name,
      status: response.status,
      body,
      expectedErrorType: request.expected_error_type ?? null,
    });
  }
  return played;
}

type Answers = ReadonlyMap<string, Body>;

function toRequest(baseUrl: string, key: string, request: FixtureRequest, answers: Answers): Request {
  const fill = (text: string) => resolve(text, answers);
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

function resolve(text: string, answers: Answers): string {
  return text.replaceAll(REFERENCE, (whole: string, name: string, path: string, fallback: string | undefined) => {
    const answer = answers.get(name);
    if (!answer) throw new Error(`The fixture refers to ${name}, but no earlier request has this name.`);
    const found = path
      .split(".")
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | null | undefined)?.[part], answer);
    return typeof found === "string" || typeof found === "number" ? String(found) : (fallback ?? whole);
  });
}
