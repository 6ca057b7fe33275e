/**
 * Detects that the files of an open SQLite database were removed or replaced. SQLite does not notice this: it continues to
 * write to the removed file, and all its commits are lost.
 */
import { statSync } from "node:fs";

/** The error for an open database whose file no longer exists under its path. */
export class DatabaseFileLostError extends Error {
  override readonly name = "DatabaseFileLostError";
}

/**
 * Returns a function that throws `DatabaseFileLostError` if the database's file or its write-ahead log was removed or replaced
 * since the first call. Call it before each use of the open database. One call takes a few microseconds. The callback `onLost`
 * is called once, with the first error.
 */
export function watchFiles(path: string, onLost: (error: Error) => void): () => void {
  const known = new Map<string, string>();
  let isReported = false;
  return () => {
    for (const file of [path, `${path}-wal`]) {
      const identity = identityOf(file);
      const before = known.get(file);
      if (before === undefined && identity !== null) known.set(file, identity);
      if (before === undefined || before === identity) continue;
      const error = new DatabaseFileLostError(
        `The database file ${file} was removed or replaced while the service uses it. Restore the file, and restart the service.`,
      );
      if (!isReported) onLost(error);
      isReported = true;
      throw error;
    }
  };
}

/** Returns the device and the inode of a file; null if the file does not exist or can't be read. */
function identityOf(file: string): string | null {
  try {
    const { dev, ino } = statSync(file);
    return `${dev}:${ino}`;
  } catch {
    return null;
  }
}
