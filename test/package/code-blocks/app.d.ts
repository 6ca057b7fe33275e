/** The names that stand for the reader's own code in code blocks. */
import type { Entitlement, TollkeeperClient, TollkeeperClientOptions } from "tollkeeper/browser";
import type { PremiumModal } from "tollkeeper/elements/premium-modal";
import type { AppHandler } from "tollkeeper/testing";
import type { Plans, Tollkeeper, TollkeeperOptions, User } from "tollkeeper";

export declare const plans: Plans;
export declare const options: TollkeeperOptions;
export declare const tollkeeper: Tollkeeper;
export declare const app: { fetch(request: Request): Promise<Response> };
export declare function createApp(tollkeeper: Tollkeeper): AppHandler;
export declare const route: { GET(request: Request, context: { params: Promise<{ id: string }> }): Promise<Response> };
export declare const userId: string;
export declare function findUser(request: Request): Promise<User | null>;

export declare const client: TollkeeperClient;
export declare const auth0: { getTokenSilently(): Promise<string>; loginWithRedirect(): Promise<void> };
export declare const getToken: TollkeeperClientOptions["getToken"];
export declare const button: HTMLButtonElement;
export declare const goPremiumButton: HTMLButtonElement;
export declare const modal: PremiumModal;
export declare function showThanks(outcome: string, entitlements: readonly Entitlement[]): void;
