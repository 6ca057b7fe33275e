/** Registers the element `<tollkeeper-premium-modal>` when the module `premium-modal-define` is imported. */
import { PremiumModal } from "./premium-modal.ts";

export { PremiumModal };

const NAME = "tollkeeper-premium-modal";

// Frameworks also import this module on servers, where there are no custom elements.
if (typeof customElements !== "undefined" && !customElements.get(NAME)) customElements.define(NAME, PremiumModal);
