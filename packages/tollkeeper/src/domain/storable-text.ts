/**
 * Decides which texts both databases can store without a change. PostgreSQL rejects a text with the character NUL. Neither
 * database stores an unpaired surrogate, which is half of a character.
 */

/** Returns true if SQLite and PostgreSQL store the text unchanged. */
export function isStorableText(text: string): boolean {
  return !text.includes("\0") && text.isWellFormed();
}

/**
 * Replaces each NUL and each unpaired surrogate by the replacement character U+FFFD. Use it only for texts that people read,
 * because two different ids could become equal.
 */
export function toStorableText(text: string): string {
  return isStorableText(text) ? text : text.replaceAll("\0", "\uFFFD").toWellFormed();
}
