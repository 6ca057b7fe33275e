/** Reads a body up to a limit, and not a byte further. */
import type { IncomingMessage } from "node:http";

export type BodyResult = { kind: "ok"; bytes: Uint8Array } | { kind: "too_large" } | { kind: "unreadable" };

export async function readBody(request: Request, maxBytes: number): Promise<BodyResult> {
  const length = request.headers.get("content-length");
  if (Number(length ?? 0) > maxBytes) return { kind: "too_large" };
  // Where the length is said it is kept to, and the body comes in one piece.
  if (length !== null) return readWhole(request);
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
  return { kind: "ok", bytes: joined(chunks) };
}

/** Most bodies come in one piece, which is not copied. */
function joined(chunks: readonly Uint8Array[]): Uint8Array {
  return chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks);
}

async function readWhole(request: Request): Promise<BodyResult> {
  try {
    return { kind: "ok", bytes: new Uint8Array(await request.arrayBuffer()) };
  } catch {
    return { kind: "unreadable" };
  }
}

/** The same, of a request to a Node server. */
export function readNodeBody(request: IncomingMessage, maxBytes: number): Promise<BodyResult> {
  return new Promise((resolve) => {
    if (Number(request.headers["content-length"] ?? 0) > maxBytes) return resolve({ kind: "too_large" });
    if (request.readableEnded) return resolve({ kind: "ok", bytes: new Uint8Array() });
    if (request.destroyed) return resolve({ kind: "unreadable" });
    const chunks: Buffer[] = [];
    let size = 0;
    const take = (chunk: Buffer): void => {
      size += chunk.byteLength;
      if (size <= maxBytes) return void chunks.push(chunk);
      request.off("data", take).pause();
      resolve({ kind: "too_large" });
    };
    request.on("data", take);
    request.on("end", () => resolve({ kind: "ok", bytes: joined(chunks) }));
    request.on("error", () => resolve({ kind: "unreadable" }));
    request.on("close", () => resolve({ kind: "unreadable" }));
  });
}
