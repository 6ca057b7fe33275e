/** Defines the error for a row of the database that the service can't read. */

/** The error for a row whose content can't be read. A retry of such a row fails in the same way. */
export class UnreadableRowError extends Error {
  override readonly name = "UnreadableRowError";
}
