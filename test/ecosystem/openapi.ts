/** Describes the emulator's responses in OpenAPI. sync-engine creates its tables from the OpenAPI description. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { isOptional, responses, type Fields, type Shape } from "../../packages/emulator/src/core/shapes.ts";

/**
 * Writes the OpenAPI description to a file. Returns the path of the OpenAPI file, and deletes the file at the end of the test.
 */
export function writeDescription(): string {
  const folder = mkdtempSync(join(tmpdir(), "openapi-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const file = join(folder, "description.json");
  writeFileSync(file, JSON.stringify(description()));
  return file;
}

function description() {
  const resources = Object.entries(responses().definitions).flatMap(([name, fields]) => {
    const kind = fields["object"];
    const named = typeof kind === "object" && "enum" in kind ? kind.enum[0] : undefined;
    return named === undefined ? [] : [[name, toResource(String(named), fields)] as const];
  });
  return { openapi: "3.0.0", components: { schemas: Object.fromEntries(resources) } };
}

function toResource(name: string, fields: Fields) {
  const properties = Object.entries(fields).map(
    ([field, shape]) => [field, toColumn(isOptional(shape) ? shape.optional : shape)] as const,
  );
  return { type: "object", "x-resourceId": name, properties: Object.fromEntries(properties) };
}

/** A JSON schema with only those keywords that determine the type of a database column. */
function toColumn(shape: Shape): object {
  if (shape === "decimal") return { type: "string" };
  if (shape === "any" || shape === "open") return { type: "object" };
  if (typeof shape === "string") return { type: shape };
  if ("enum" in shape) return { type: typeof shape.enum[0] };
  if (!("any" in shape)) return { type: "object" };
  const kinds = shape.any.filter((kind) => kind !== "null");
  const nullable = kinds.length < shape.any.length;
  const expandable = kinds.includes("string") && kinds.some((kind) => typeof kind === "object" && "ref" in kind);
  if (expandable) return { type: "string", nullable, "x-expansionResources": {} };
  return kinds.length === 1 && kinds[0] !== undefined
    ? { ...toColumn(kinds[0]), nullable }
    : { anyOf: kinds.map(toColumn), nullable };
}
