/** API errors with Stripe's statuses, codes and response bodies. @see https://docs.stripe.com/api/errors */
export type ApiErrorType = "invalid_request_error" | "card_error" | "idempotency_error" | "api_error";

interface ApiErrorFields {
  status?: number;
  type?: ApiErrorType;
  code?: string;
  param?: string;
  advice_code?: string;
  decline_code?: string;
  network_decline_code?: string;
  charge?: string;
  payment_intent?: object;
  payment_method?: object | undefined;
  setup_intent?: object;
  /** True if the changes that a failed request made are kept, for example after a declined payment. Default false. */
  keepsEffects?: boolean;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly type: ApiErrorType;
  readonly keepsEffects: boolean;
  readonly fields: Omit<ApiErrorFields, "status" | "type" | "keepsEffects">;

  constructor(
    message: string,
    { status = 400, type = "invalid_request_error", keepsEffects = false, ...fields }: ApiErrorFields = {},
  ) {
    super(message);
    this.status = status;
    this.type = type;
    this.keepsEffects = keepsEffects;
    this.fields = fields;
  }

  /**
   * Returns the body of the error response. The body of an error response always contains `error`, because the `stripe` package
   * treats a body without `error` as a success. `logUrl` is the URL of the request's log; null if the account is unknown.
   */
  toBody(logUrl: string | null): { error: Record<string, unknown> } {
    const doc = this.fields.code ? { doc_url: docUrl(this.fields.code) } : {};
    const log = logUrl === null ? {} : { request_log_url: logUrl };
    return { error: { ...this.fields, ...doc, message: this.message, ...log, type: this.type } };
  }
}

export function docUrl(code: string): string {
  return `https://stripe.com/docs/error-codes/${code.replaceAll("_", "-")}`;
}

/** Returns the URL of a request's log in Stripe's Dashboard. Stripe shows the URL in errors of requests with a valid key. */
export function requestLogUrl(accountId: string, requestId: string): string {
  return `https://dashboard.stripe.com/${accountId}/test/workbench/logs?object=${requestId}`;
}

/**
 * Returns Stripe's error `resource_missing`. A `resource_missing` error has the status 404 for an ID in the URL path, and 400
 * for an ID in a parameter.
 */
export function resourceMissing(kind: string, id: string, param: string): ApiError {
  const status = param === "id" ? 404 : 400;
  return new ApiError(`No such ${kind}: '${id}'`, { status, code: "resource_missing", param });
}

/** Returns the error for a parameter or value that Stripe supports and the emulator does not. */
export function notImplemented(message: string, param: string): ApiError {
  return new ApiError(message, { status: 501, type: "api_error", param });
}
