/** Disputes over the API; they are made by test cards. @see https://docs.stripe.com/api/disputes */
import { z } from "zod";
import type { Api } from "../api.ts";
import { answerDispute, EVIDENCE_NAMES, isOpen, settle, type Dispute, type EvidenceName } from "../billing/disputes.ts";
import { ApiError } from "../core/errors.ts";
import { page } from "../core/lists.ts";
import { expand, flag, listParams, mergeMetadata, metadata, text, unsettable } from "../core/params.ts";
import { all, need, type World } from "../core/world.ts";

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
  api.get("/v1/disputes", ListParams, (world, params) => {
    return page(
      world,
      all(world, "dispute"),
      params,
      "/v1/disputes",
      (row) =>
        (params.charge === undefined || row.charge === params.charge) &&
        (params.payment_intent === undefined || row.payment_intent === params.payment_intent),
    );
  });
  api.get("/v1/disputes/:id", z.strictObject({ expand }), (world, _params, id) => need(world, "dispute", id));
  api.post("/v1/disputes/:id", UpdateParams, (world, params, id) => {
    const dispute = needOpen(world, id);
    answerDispute(world, dispute, {
      evidence: Object.fromEntries(Object.entries(params.evidence ?? {}).filter(([, value]) => value !== undefined)),
      submit: params.submit ?? true,
      metadata: mergeMetadata(dispute.metadata, params.metadata),
    });
    return dispute;
  });
  api.post("/v1/disputes/:id/close", z.strictObject({ expand }), (world, _params, id) => {
    const dispute = needOpen(world, id);
    settle(world, dispute, dispute.status.startsWith("warning_") ? "warning_closed" : "lost");
    return dispute;
  });
}

function needOpen(world: World, id: string): Dispute {
  const dispute = need(world, "dispute", id);
  if (!isOpen(dispute)) throw new ApiError(`This dispute is already ${dispute.status}.`);
  return dispute;
}
