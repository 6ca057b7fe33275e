/** Stripe's door: raw bytes in, a status out. */
import type { ReceiveResult } from "../../sync/receive-event.ts";
import { WebhookAnswer } from "../../wire.ts";
import type { HttpContext } from "../context.ts";
import { requireStart, type App } from "../json-route.ts";
import { readBody } from "../read-body.ts";

/** Stripe's largest events are a few hundred kilobytes. */
const MAX_WEBHOOK_BYTES = 1_048_576;

const RETRY_AFTER_SECONDS = "1";

const STATUS: Record<ReceiveResult["status"], 200 | 400 | 503> = {
  accepted: 200,
  duplicate: 200,
  ignored: 200,
  rejected: 400,
  unavailable: 503,
};

export function webhookRoute(app: App, context: HttpContext): void {
  const { receiveEvent, runtime } = context;
  const content = { "application/json": { schema: WebhookAnswer } };
  app.openAPIRegistry.registerPath({
    method: "post",
    path: "/webhook",
    description: "Takes Stripe's signed events; the body is raw bytes",
    responses: {
      200: { description: "Stored, known already, or not needed", content },
      400: { description: "Not signed by this endpoint's secret, or not an event of this mode", content },
      413: { description: "Larger than any event", content },
      503: { description: "Not stored; Stripe will deliver it again", content },
    },
  });
  app.post("/webhook", async (c) => {
    const body = await readBody(c.req.raw, MAX_WEBHOOK_BYTES);
    if (body.kind === "ok") {
      const started = await requireStart(context).then(
        () => true,
        () => false,
      );
      if (!started) {
        c.header("retry-after", RETRY_AFTER_SECONDS);
        return c.json({ status: "unavailable", reason: "store_unavailable" }, STATUS.unavailable);
      }
      const result = await receiveEvent(body.bytes, c.req.header("stripe-signature") ?? null);
      if (result.status === "unavailable") c.header("retry-after", RETRY_AFTER_SECONDS);
      return c.json(result, STATUS[result.status]);
    }
    const reason = body.kind === "too_large" ? "payload_too_large" : "unreadable_body";
    runtime.log.warn({ outcome: "rejected", reason }, "webhook refused");
    return c.json({ status: "rejected", reason }, body.kind === "too_large" ? 413 : 400);
  });
}
