/**
 * Verifies Stripe's webhook signature over the raw bytes. The SDK's own check is not used, because it accepts timestamps from
 * the future and hashes decoded text instead of bytes.
 * @see https://docs.stripe.com/webhooks#verify-manually
 */
import { createHmac, timingSafeEqual } from "node:crypto";

export interface HeaderCheck {
  /** The `Stripe-Signature` header; null if the request has none. */
  header: string | null;
  /** Current wall time in epoch milliseconds. */
  now: number;
  toleranceMs: number;
}

export interface SignatureCheck extends HeaderCheck {
  payload: Uint8Array;
  /**
   * Signing secrets of the webhook endpoint. A webhook's signature must match one of the signing secrets. During a rotation,
   * the webhook endpoint has several signing secrets.
   */
  secrets: readonly string[];
}

type HeaderProblem = "missing_header" | "malformed_header" | "no_v1_signature" | "too_old" | "in_the_future";

interface SignatureHeader {
  timestamp: string;
  signatures: Buffer[];
}

export type HeaderResult = ({ valid: true } & SignatureHeader) | { valid: false; reason: HeaderProblem };

export type SignatureResult = { valid: true } | { valid: false; reason: HeaderProblem | "wrong_signature" };

const MAX_HEADER_LENGTH = 4096;
const MAX_SIGNATURES = 16;

export function verifySignature({ payload, secrets, ...check }: SignatureCheck): SignatureResult {
  const header = readSignatureHeader(check);
  if (!header.valid) return header;
  const { timestamp, signatures } = header;
  const isSigned = secrets.some((secret) => {
    if (secret === "") return false;
    const digest = createHmac("sha256", secret).update(`${timestamp}.`).update(payload).digest();
    return signatures.some((signature) => equal(signature, digest));
  });
  return isSigned ? { valid: true } : { valid: false, reason: "wrong_signature" };
}

/** Checks everything about the header that needs no body, so that the body of an invalid webhook is never read. */
export function readSignatureHeader({ header, now, toleranceMs }: HeaderCheck): HeaderResult {
  if (!header) return { valid: false, reason: "missing_header" };
  const parsed = parseHeader(header);
  if (!parsed) return { valid: false, reason: "malformed_header" };
  if (parsed.signatures.length === 0) return { valid: false, reason: "no_v1_signature" };
  const ageMs = now - Number(parsed.timestamp) * 1000;
  if (ageMs > toleranceMs) return { valid: false, reason: "too_old" };
  if (ageMs < -toleranceMs) return { valid: false, reason: "in_the_future" };
  return { valid: true, ...parsed };
}

function parseHeader(header: string): SignatureHeader | null {
  if (header.length > MAX_HEADER_LENGTH) return null;
  const timestamps: string[] = [];
  const signatures: Buffer[] = [];
  for (const entry of header.split(",")) {
    const [key, value = ""] = entry.trim().split("=", 2);
    if (key === "t") timestamps.push(value);
    else if (key === "v1") signatures.push(Buffer.from(value, "hex"));
  }
  const [timestamp] = timestamps;
  if (timestamps.length !== 1 || timestamp === undefined || !/^\d{1,12}$/.test(timestamp)) return null;
  if (signatures.length > MAX_SIGNATURES) return null;
  return { timestamp, signatures };
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
