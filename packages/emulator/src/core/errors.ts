/** Stripe's error bodies. @see https://docs.stripe.com/api/errors */

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
  /** Whether what the request has done stands all the same: a payment was tried. Default false. */
  stands?: boolean;
}

export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly status: number;
  readonly type: ApiErrorType;
  readonly stands: boolean;
  readonly fields: Omit<ApiErrorFields, "status" | "type" | "stands">;

  constructor(
    message: string,
    { status = 400, type = "invalid_request_error", stands = false, ...fields }: ApiErrorFields = {},
  ) {
    super(message);
    this.status = status;
    this.type = type;
    this.stands = stands;
    this.fields = fields;
  }

  /** stripe-node takes an answer without an `error` member for a success, so every failure has one. */
  toBody(requestId: string): { error: Record<string, unknown> } {
    const doc = this.fields.code
      ? { doc_url: `https://stripe.com/docs/error-codes/${this.fields.code.replaceAll("_", "-")}` }
      : {};
    return { error: { ...this.fields, ...doc, message: this.message, request_id: requestId, type: this.type } };
  }
}

/** In the path it is a 404, in the body a 400. */
export function missing(kind: string, id: string, param: string): ApiError {
  const status = param === "id" ? 404 : 400;
  return new ApiError(`No such ${kind}: '${id}'`, { status, code: "resource_missing", param });
}
