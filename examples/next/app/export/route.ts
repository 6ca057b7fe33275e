/** Returns an export, which is a paid feature. The server checks access before it returns the export. */
import { billing } from "../../billing";
import { signedInUser } from "../../session";

export async function GET(request: Request): Promise<Response> {
  const user = await signedInUser(request);
  if (!user) return new Response("Sign in first.", { status: 401 });
  if (!(await billing().can(user.id, "exports"))) return new Response("Exports are part of Premium.", { status: 403 });
  return new Response("title,words\n", { headers: { "content-type": "text/csv" } });
}
