/** Masks secrets and card data in the texts that the viewer shows. */
const HIDDEN = "(not shown)";

/** Returns the value to show for a field or parameter with this name. Use the function as a replacer of `JSON.stringify`. */
export function withoutSecrets(name: string, value: unknown): unknown {
  if (typeof value !== "string") return value;
  if (name.endsWith("secret") || /\bcvc\b/.test(name)) return HIDDEN;
  if (/\bnumber\b/.test(name) && /^[\d -]{12,}$/.test(value)) return `•••• ${value.slice(-4)}`;
  return maskText(value);
}

/** Masks API keys, signing secrets and client secrets inside a text. */
export function maskText(text: string): string {
  return text.replaceAll(/\b([prs]k_(?:test|live)|whsec)_\w+/g, "$1_…").replaceAll(/_secret_\w+/g, "_secret_…");
}
