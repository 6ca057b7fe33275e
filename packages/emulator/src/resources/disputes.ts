/**
 * Defines the API routes of disputes. No API route creates a dispute: payments with certain test cards
 * and a control route do.
 * @see https://docs.stripe.com/api/disputes
 */
import { z } from "zod";
import type { Api } from "../api.ts";
import { closeDispute, isInquiry, isOpen, updateDispute } from "../billing/disputes.ts";
import { ApiError } from "../core/errors.ts";
import { hasFields, paginate } from "../core/pagination.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { listAll, retrieve } from "../core/rows.ts";
import type { Context } from "../core/state.ts";
import { type Dispute, EVIDENCE_NAMES, type EvidenceName } from "../objects/dispute.ts";

const evidenceText = unsettable(z.string().max(20_000)).optional();
const evidence = z.strictObject(
  Object.fromEntries(EVIDENCE_NAMES.map((name) => [name, evidenceText])) as Record<EvidenceName, typeof evidenceText>,
);
const UpdateParams = z.strictObject({
  evidence: evidence.optional(),
  metadata: metadata.optional(),
  submit: flag.optional(),
  expand,
});
const ListParams = z.strictObject({ ...listParams, charge: text.optional(), payment_intent: text.optional() });

export function disputeRoutes(api: Api): void {
  api.get("/v1/disputes", ListParams, (context, params) => {
    return paginate(context, listAll(context, "dispute"), params, {
      url: "/v1/disputes",
      filter: (row) => hasFields(row, { charge: params.charge, payment_intent: params.payment_intent }),
    });
  });
  api.get("/v1/disputes/:id", z.strictObject({ expand }), (context, _params, id) => retrieve(context, "dispute", id));
  api.post("/v1/disputes/:id", UpdateParams, (context, params, id) => {
    const dispute = needOpen(context, id);
    updateDispute(context, dispute, {
      evidence: Object.fromEntries(Object.entries(params.evidence ?? {}).filter(([, value]) => value !== undefined)),
      submit: params.submit ?? true,
      metadata: mergeMetadata(dispute.metadata, params.metadata),
    });
    return dispute;
  });
  api.post("/v1/disputes/:id/close", z.strictObject({ expand }), (context, _params, id) => {
    const dispute = needOpen(context, id);
    closeDispute(context, dispute, isInquiry(dispute) ? "warning_closed" : "lost");
    return dispute;
  });
}

function needOpen(context: Context, id: string): Dispute {
  const dispute = retrieve(context, "dispute", id);
  if (!isOpen(dispute)) throw new ApiError(`This dispute is already ${dispute.status}.`);
  return dispute;
}
