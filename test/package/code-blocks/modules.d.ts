/** The parts of packages that code blocks import and that this repository does not install. */
declare module "@jest/globals" {
  export { expect, test } from "vitest";
}

declare module "@auth0/auth0-spa-js" {
  interface Options {
    domain: string;
    clientId: string;
    authorizationParams: { audience: string; redirect_uri: string };
  }
  export function createAuth0Client(options: Options): Promise<{ getTokenSilently(): Promise<string> }>;
}

declare module "@clerk/clerk-js" {
  export class Clerk {
    constructor(publishableKey: string);
    load(): Promise<void>;
    session: { getToken(options?: { template: string }): Promise<string | null> } | null | undefined;
  }
}
