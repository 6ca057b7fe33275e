/** Returns an export, which is part of a plan. */
import { getTollkeeper } from "../../tollkeeper";

export async function GET(request: Request): Promise<Response> {
  const tollkeeper = getTollkeeper();
  const user = await tollkeeper.getUser(request);
  if (!user) return new Response("Sign in first.", { status: 401 });
  if (!(await tollkeeper.can(user.id, "exports"))) return new Response("Exports are part of Premium.", { status: 403 });
  return new Response("title,words\n", { headers: { "content-type": "text/csv" } });
}
