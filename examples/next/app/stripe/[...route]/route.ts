/** Passes all requests below `/stripe` to the service. */
import { getTollkeeper } from "../../../tollkeeper";

const handle = (request: Request): Promise<Response> => getTollkeeper().fetch(request);

export { handle as GET, handle as OPTIONS, handle as POST };
