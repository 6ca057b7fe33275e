/** Sends requests to the demo. Each failure becomes an error whose message the page can show. */

const TIMEOUT_MS = 20_000;

export async function request(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(path, { ...init, signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (cause) {
    throw new Error("The demo does not respond. Check that it is running.", { cause });
  }
  if (!response.ok) throw new Error(await reasonOf(response));
  return response;
}

export async function requestJson<Body>(path: string, init?: RequestInit): Promise<Body> {
  const response = await request(path, init);
  try {
    return (await response.json()) as Body;
  } catch (cause) {
    throw new Error(`The response to ${path} is no JSON.`, { cause });
  }
}

export function postJson<Body>(path: string, body: object): Promise<Body> {
  return requestJson(path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

async function reasonOf(response: Response): Promise<string> {
  const body = (await response.json().catch(() => null)) as { error?: { message?: unknown } } | null;
  const message = body?.error?.message;
  return typeof message === "string" ? message : `The demo responded with status ${response.status}.`;
}
