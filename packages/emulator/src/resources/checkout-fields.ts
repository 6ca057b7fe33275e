/**
 * Defines the parameters of checkout sessions that add fields and texts to the page.
 * @see https://docs.stripe.com/api/checkout/sessions/create
 */
import { z } from "zod";
import { ApiError } from "../core/errors.ts";
import { flag, nonNegative, text, unsettable } from "../core/params.ts";
import type { NewConsentCollection, NewNameCollection } from "../objects/checkout-fields.ts";

const MAX_FIELDS = 3;
const limits = z.strictObject({
  default_value: text.optional(),
  maximum_length: nonNegative.optional(),
  minimum_length: nonNegative.optional(),
});
const key = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9]+$/, "must be alphanumeric");
const customField = z.strictObject({
  key,
  label: z.strictObject({ type: z.literal("custom"), custom: z.string().max(100) }),
  type: z.enum(["dropdown", "numeric", "text"]),
  optional: flag.optional(),
  dropdown: z
    .strictObject({
      options: z
        .array(z.strictObject({ label: z.string().max(100), value: key.max(100) }))
        .min(1)
        .max(200),
      default_value: text.optional(),
    })
    .optional(),
  numeric: limits.optional(),
  text: limits.optional(),
});
const message = unsettable(z.strictObject({ message: z.string().max(1_200) })).optional();

const collectedName = z.strictObject({ enabled: flag, optional: flag.optional() }).optional();

export const fieldParams = {
  custom_fields: z.array(customField).optional(),
  custom_text: z
    .strictObject({
      after_submit: message,
      shipping_address: message,
      submit: message,
      terms_of_service_acceptance: message,
    })
    .optional(),
  consent_collection: z
    .strictObject({
      payment_method_reuse_agreement: z.strictObject({ position: z.enum(["auto", "hidden"]) }).optional(),
      promotions: z.enum(["auto", "none"]).optional(),
      terms_of_service: z.enum(["none", "required"]).optional(),
    })
    .optional(),
  name_collection: z.strictObject({ business: collectedName, individual: collectedName }).optional(),
  phone_number_collection: z.strictObject({ enabled: flag }).optional(),
};

interface FieldParams {
  mode?: string | undefined;
  customer?: string | undefined;
  name_collection?: NewNameCollection | undefined;
  custom_fields?: z.output<typeof customField>[] | undefined;
  consent_collection?: NewConsentCollection | undefined;
  phone_number_collection?: { enabled: boolean } | undefined;
}

/** Throws if the fields of a new session contradict each other. The messages about custom fields are the emulator's own. */
export function checkFields(params: FieldParams): void {
  const fields = params.custom_fields ?? [];
  if (fields.length > MAX_FIELDS)
    throw new ApiError(`Array custom_fields exceeded maximum ${MAX_FIELDS} allowed elements.`, {
      param: "custom_fields",
    });
  for (const [index, field] of fields.entries()) checkField(field, fields.slice(0, index), `custom_fields[${index}]`);
  checkNames(params);
  if (params.phone_number_collection?.enabled && params.mode === "setup")
    throw new ApiError("`phone_number_collection` can only be set in `payment` and `subscription` mode.", {
      param: "phone_number_collection",
    });
}

/**
 * Throws the error 501 if a session with an existing customer collects names. It is unknown when Stripe replaces the names of
 * such a customer.
 */
function checkNames({ customer, name_collection: names }: FieldParams): void {
  if (customer === undefined || !(names?.business?.enabled || names?.individual?.enabled)) return;
  throw new ApiError("The emulator implements the parameter name_collection only for sessions without a `customer`.", {
    status: 501,
    type: "api_error",
    code: "parameter_not_implemented",
    param: "name_collection",
  });
}

type FieldInput = z.output<typeof customField>;

function checkField(field: FieldInput, earlier: readonly FieldInput[], at: string): void {
  if (earlier.some((other) => other.key === field.key))
    throw new ApiError(`The key \`${field.key}\` is already used by another custom field.`, { param: `${at}[key]` });
  const foreign = (["dropdown", "numeric", "text"] as const).find((type) => type !== field.type && field[type]);
  if (foreign)
    throw new ApiError(`You can not pass \`${foreign}\` for a custom field of the type \`${field.type}\`.`, {
      param: `${at}[${foreign}]`,
    });
  if (field.type !== "dropdown") return;
  const param = `${at}[dropdown]`;
  if (!field.dropdown) throw new ApiError(`Missing required param: ${param}.`, { code: "parameter_missing", param });
  const { options, default_value: preset } = field.dropdown;
  if (new Set(options.map(({ value }) => value)).size < options.length)
    throw new ApiError("The values of a dropdown must be unique.", { param: `${param}[options]` });
  if (preset !== undefined && !options.some(({ value }) => value === preset))
    throw new ApiError("The default value of a dropdown must be one of its options.", {
      param: `${param}[default_value]`,
    });
}
