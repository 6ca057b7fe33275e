import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

export default {
  // The package tollkeeper opens a database and reads its own files, so Next must not bundle it.
  serverExternalPackages: ["tollkeeper"],
  // The options `turbopack` and `outputFileTracingRoot` are needed only in this repository, because the package tollkeeper is a
  // link to a folder outside of this app.
  turbopack: { root: repository },
  outputFileTracingRoot: repository,
};
