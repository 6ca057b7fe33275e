/** Reads JSON that the service has stored in the database. */

/**
 * Returns the parsed JSON. Returns null if the JSON is absent or damaged, so that one damaged row never stops the work on other
 * rows.
 */
export function parseStored(json: string | null): unknown {
  if (json === null) return null;
  try {
    return JSON.parse(json);
  } catch {
    return null;
  }
}
