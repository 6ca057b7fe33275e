/** The names of packages for code blocks without imports. A block with imports has to import these names itself. */
export { createTollkeeper, definePlans, optionsFromEnvironment } from "tollkeeper";
export { createTollkeeperClient } from "tollkeeper/browser";
export { createTestBilling } from "tollkeeper/testing";
export { expect, test } from "vitest";
