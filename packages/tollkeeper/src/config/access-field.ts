/** Defines the schema of the option `access`, the access policy. */
import { z } from "zod";
import { ACCESS_EFFECTS, PAUSE_EFFECTS } from "../domain/access.ts";
import { MAX_GRACE_DAYS } from "./defaults.ts";
import { booleanField, choiceField, describeTypeError } from "./fields.ts";
import { show } from "./problem-text.ts";

const graceDaysError = describeTypeError(
  "access.pastDueGraceDays",
  (value) => `${show(value)} must be a number from 0 to ${MAX_GRACE_DAYS}`,
);
const graceDays = z
  .number({ error: graceDaysError })
  .refine((value) => value >= 0 && value <= MAX_GRACE_DAYS, { error: graceDaysError });

const effect = (name: string) => choiceField(`access.${name}`, ACCESS_EFFECTS).exactOptional();
const pauseEffect = (behavior: string) =>
  choiceField(`access.pausedCollection.${behavior}`, PAUSE_EFFECTS).exactOptional();

export const ACCESS_FIELD = z.strictObject(
  {
    pastDueGraceDays: graceDays.exactOptional(),
    keepPaidPeriod: booleanField("access.keepPaidPeriod").exactOptional(),
    pausedCollection: z
      .strictObject(
        {
          void: pauseEffect("void"),
          mark_uncollectible: pauseEffect("mark_uncollectible"),
          keep_as_draft: pauseEffect("keep_as_draft"),
        },
        { error: describeTypeError("access.pausedCollection", () => "must be an object") },
      )
      .exactOptional(),
    fullRefund: effect("fullRefund"),
    partialRefund: effect("partialRefund"),
    openDispute: effect("openDispute"),
    lostDispute: effect("lostDispute"),
  },
  { error: describeTypeError("access", () => "must be an object") },
);
