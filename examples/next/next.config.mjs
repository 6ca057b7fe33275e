export default {
  // The package tollkeeper opens a database and reads its own files, so Next must not bundle it.
  serverExternalPackages: ["tollkeeper"],
};
