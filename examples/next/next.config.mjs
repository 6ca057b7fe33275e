import { fileURLToPath } from "node:url";

const repository = fileURLToPath(new URL("../..", import.meta.url));

export default {
  // It opens a database and reads its own files: leave it a package, out of the bundle.
  serverExternalPackages: ["tollkeeper"],
  // Needed here alone, where the package is a link to the folder above.
  turbopack: { root: repository },
  outputFileTracingRoot: repository,
};
