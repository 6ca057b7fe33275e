/** Checks the parameters of a new checkout session that depend on `ui_mode`. */
import { ApiError, notImplemented } from "../core/errors.ts";

export const UI_MODES = ["elements", "embedded_page", "form", "hosted_page"] as const;
export const REDIRECTS = ["always", "if_required", "never"] as const;

interface UiParams {
  ui_mode?: (typeof UI_MODES)[number] | undefined;
  after_expiration?: { recovery?: { enabled: boolean } | undefined } | undefined;
  success_url?: string | undefined;
  cancel_url?: string | undefined;
  return_url?: string | undefined;
  redirect_on_completion?: (typeof REDIRECTS)[number] | undefined;
}

/** The parameters that each mode does not have. @see The doc comments of the SDK's file Checkout/Sessions.d.ts. */
const UNSUPPORTED = {
  hosted_page: ["redirect_on_completion", "return_url"],
  embedded_page: ["cancel_url", "success_url"],
  elements: ["after_expiration", "cancel_url", "redirect_on_completion", "success_url"],
} as const;

/** Throws if the parameters do not fit the mode, or if the mode needs a URL that is missing. */
export function checkUiMode(params: UiParams): void {
  const { ui_mode: mode = "hosted_page", redirect_on_completion: redirect = "always" } = params;
  if (mode === "form")
    throw notImplemented("The emulator does not implement `ui_mode: form`, which is in beta at Stripe.", "ui_mode");
  const unsupported = UNSUPPORTED[mode].filter((name) => params[name] !== undefined);
  if (unsupported[0] !== undefined)
    throw new ApiError(
      `The following parameters are not supported with \`ui_mode: ${mode}\`: ${unsupported.join(", ")}.`,
      { param: unsupported[0] },
    );
  if (mode === "hosted_page" && params.success_url === undefined) throw missing("success_url");
  if (mode !== "embedded_page") return;
  if (params.after_expiration?.recovery?.enabled)
    throw notImplemented(
      "The emulator recovers only sessions with `ui_mode: hosted_page`.",
      "after_expiration[recovery][enabled]",
    );
  if (redirect === "always" && params.return_url === undefined) throw missing("return_url");
  if (redirect === "never" && params.return_url !== undefined)
    throw new ApiError("`return_url` cannot be used with `redirect_on_completion: never`.", { param: "return_url" });
}

function missing(param: string): ApiError {
  return new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
}
