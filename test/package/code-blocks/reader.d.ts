/** The names that stand for the reader's own code in code blocks. */
import type { Entitlement, TollkeeperClient, TollkeeperClientOptions } from "tollkeeper/browser";
import type { PremiumModal } from "tollkeeper/elements/premium-modal";
import type { TestBilling } from "tollkeeper/testing";
import type { Tollkeeper, TollkeeperOptions, User } from "tollkeeper";

declare global {
  const options: TollkeeperOptions;
  const tollkeeper: Tollkeeper;
  const app: { fetch(request: Request): Promise<Response> };
  const route: { GET(request: Request, context: { params: Promise<{ id: string }> }): Response };
  const billing: TestBilling;
  const userId: string;
  function findUser(request: Request): Promise<User | null>;

  const client: TollkeeperClient;
  const auth0: { getTokenSilently(): Promise<string>; loginWithRedirect(): Promise<void> };
  const getToken: TollkeeperClientOptions["getToken"];
  const button: HTMLButtonElement;
  const goPremiumButton: HTMLButtonElement;
  const modal: PremiumModal;
  function showThanks(outcome: string, entitlements: readonly Entitlement[]): void;
}
