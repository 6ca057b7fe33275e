/** The parts of packages that code blocks import and that this repository does not install. */
declare module "@clerk/nextjs/server" {
  export function auth(): Promise<{ userId: string | null }>;
}
declare module "@jest/globals" {
  export { expect, test } from "vitest";
}
