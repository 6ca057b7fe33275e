/** API errors with Stripe's statuses, codes and response bodies. @see https://docs.stripe.com/api/errors */
export type ApiErrorType = "invalid_request_error" | "card_error" | "idempotency_error" | "api_error";

interface ApiErrorFields {
  status?: number;
  type?: ApiErrorType;
  code?: string;
  param?: string;
  decline_code?: string;
  charge?: string;
  payment_intent?: object;
  payment_method?: object | undefined;
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
   * treats a body without `error` as a success.
   */
  toBody(requestId: string): { error: Record<string, unknown> } {
    const doc = this.fields.code
      ? { doc_url: `https://stripe.com/docs/error-codes/${this.fields.code.replaceAll("_", "-")}` }
      : {};
    return { error: { ...this.fields, ...doc, message: this.message, request_id: requestId, type: this.type } };
  }
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
