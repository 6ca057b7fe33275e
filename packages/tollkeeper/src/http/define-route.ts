/**
 * Defines one row of the route table: an HTTP route with its checks and texts. An HTTP route checks its request in a fixed
 * order, then runs its action.
 */
import type { ZodObject, ZodType } from "zod";
import { InvalidRequestError } from "../errors.ts";
import { CHECKS, type Access, type Callers, type RouterAccess } from "./access.ts";
import type { HttpContext } from "./context.ts";
import { readJsonRequest } from "./read-body.ts";

/**
 * A row of the table that lists all HTTP routes. The router, the OpenAPI document and the tests read the rows of the route
 * table.
 */
export type Route = MethodAndLimit &
  RouteTexts & {
    access: Access;
    schema: RouteSchema;
    /**
     * Runs the route and returns the body of its 200 response. The function that runs a route is null if the router does not
     * serve the route.
     */
    run: ((context: HttpContext, request: Request) => Promise<unknown>) | null;
  };

/** The route's HTTP method and its `bodyLimit`: the largest body in bytes, or null for no body. */
type MethodAndLimit = { method: "get"; bodyLimit: null } | { method: "post"; bodyLimit: number };

interface RouteTexts {
  /** Path of the route below the service's base path. */
  path: `/${string}`;
  /**
   * True if a successful request can add events or hooks to the queues. On a serverless platform, their processing is then
   * passed to `waitUntil`.
   */
  causesWork: boolean;
  /** Description of the route in the OpenAPI document. */
  description?: string;
  /**
   * Meaning of each response in the OpenAPI document, by status. The responses of the route's access rule, such as 401, are
   * added to the OpenAPI document automatically.
   */
  responses: Readonly<Record<number, string>>;
  /** Content type of the 200 response. Default: JSON. */
  contentType?: string;
}

export interface RouteSchema {
  body?: ZodType;
  query?: ZodObject;
  response: ZodType;
  /** Schema of the route's error responses. Default: `ErrorResponse`. */
  error?: ZodType;
}

type Schema<Body, Query, Output> = RouteSchema & {
  body?: ZodType<Body>;
  query?: ZodObject & ZodType<Query>;
  response: ZodType<Output>;
};

type Definition<A extends RouterAccess, Body, Query, Output> = MethodAndLimit &
  RouteTexts & {
    access: A;
    schema: Schema<Body, Query, Output>;
    action(
      context: HttpContext,
      request: { caller: Callers[A]; body: Body; query: Query },
    ): NoInfer<Output> | Promise<NoInfer<Output>>;
  };

/** Creates a route. An HTTP route checks a request in this order: body limit, credentials, query, body. */
export function defineRoute<A extends RouterAccess, Body, Query, Output>(
  definition: Definition<A, Body, Query, Output>,
): Route {
  const { action, ...route } = definition;
  const { access, bodyLimit, schema } = route;
  return {
    ...route,
    async run(context, received) {
      const { request, json } = await readJsonRequest(received, bodyLimit);
      const caller = await CHECKS[access](context, request);
      const query = parse(schema.query, () => queryOf(request));
      return action(context, { caller, query, body: parse(schema.body, json) });
    },
  };
}

/** Returns the query parameters of a request. If a query parameter is repeated, its value is a list. */
function queryOf(request: Request): Record<string, string | string[]> {
  const { searchParams } = new URL(request.url);
  return Object.fromEntries(
    [...new Set(searchParams.keys())].map((name) => {
      const values = searchParams.getAll(name);
      return [name, values.length === 1 && values[0] !== undefined ? values[0] : values];
    }),
  );
}

/**
 * Reads a value and checks it against a schema. Throws an `InvalidRequestError` that describes the first problem of the value.
 */
function parse<Value>(schema: ZodType<Value> | undefined, read: () => unknown): Value {
  // Without a schema for a value, the type `Value` is `unknown`, so the action can't use the value.
  if (!schema) return undefined as Value;
  const result = schema.safeParse(read());
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const field = issue && issue.path.length > 0 ? issue.path.map(String).join(".") : "body";
  throw new InvalidRequestError("invalid_request", `${field}: ${issue?.message ?? "is not valid"}`);
}
