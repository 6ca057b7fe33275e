/**
 * Verifies Stripe's webhook signature over the raw bytes, with time bounded on both sides.
 * Our own, because the SDK's check accepts timestamps from the future and hashes decoded text instead of bytes.
 * @see https://docs.stripe.com/webhooks#verify-manually
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface SignatureCheck {
  payload: Uint8Array;
  header: string | null;
  /** Any of these may have signed it; several while one is being rotated. */
  secrets: readonly string[];
  /** Wall time, epoch milliseconds. */
  now: number;
  toleranceMs: number;
}

export type SignatureResult =
  | { valid: true }
  | {
      valid: false;
      reason:
        | "missing_header"
        | "malformed_header"
        | "no_v1_signature"
        | "too_old"
        | "in_the_future"
        | "wrong_signature";
    };

const MAX_HEADER_LENGTH = 4096;
const MAX_SIGNATURES = 16;

export function verifySignature(check: SignatureCheck): SignatureResult {
  if (!check.header) return { valid: false, reason: "missing_header" };
  const parsed = parseHeader(check.header);
  if (!parsed) return { valid: false, reason: "malformed_header" };
  if (parsed.signatures.length === 0) return { valid: false, reason: "no_v1_signature" };
  const expected = check.secrets
    .filter((secret) => secret !== "")
    .map((secret) => createHmac("sha256", secret).update(`${parsed.timestamp}.`).update(check.payload).digest());
  const genuine = parsed.signatures.some((signature) => expected.some((digest) => equal(signature, digest)));
  if (!genuine) return { valid: false, reason: "wrong_signature" };
  const ageMs = check.now - parsed.seconds * 1000;
  if (ageMs > check.toleranceMs) return { valid: false, reason: "too_old" };
  if (ageMs < -check.toleranceMs) return { valid: false, reason: "in_the_future" };
  return { valid: true };
}

function parseHeader(header: string): { timestamp: string; seconds: number; signatures: Buffer[] } | null {
  if (header.length > MAX_HEADER_LENGTH) return null;
  const entries = header.split(",").map((entry) => entry.trim().split("=", 2));
  const timestamps = entries.filter(([key]) => key === "t").map(([, value]) => value ?? "");
  const [timestamp] = timestamps;
  if (timestamps.length !== 1 || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return null;
  const signatures = entries.filter(([key]) => key === "v1").map(([, value]) => Buffer.from(value ?? "", "hex"));
  if (signatures.length > MAX_SIGNATURES) return null;
  return { timestamp, seconds: Number(timestamp), signatures };
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
