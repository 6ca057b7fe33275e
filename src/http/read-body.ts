/** Reads a body up to a limit, and not a byte further. */

export type BodyResult = { kind: "ok"; bytes: Uint8Array } | { kind: "too_large" } | { kind: "unreadable" };

export async function readBody(request: Request, maxBytes: number): Promise<BodyResult> {
  if (Number(request.headers.get("content-length") ?? 0) > maxBytes) return { kind: "too_large" };
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.byteLength;
      if (size > maxBytes) return { kind: "too_large" };
      chunks.push(chunk);
    }
  } catch {
    return { kind: "unreadable" };
  }
  return { kind: "ok", bytes: chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks) };
}
