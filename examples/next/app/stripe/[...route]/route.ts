/** Passes all requests below `/stripe` to the service. */
import { billing } from "../../../billing";

const handle = (request: Request): Promise<Response> => billing().fetch(request);

export { handle as GET, handle as OPTIONS, handle as POST };
