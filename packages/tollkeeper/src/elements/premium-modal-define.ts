/** Registers the element `<tollkeeper-premium-modal>` when the module `premium-modal-define` is imported. */
import { PremiumModal } from "./premium-modal.ts";

export { PremiumModal };

if (!customElements.get("tollkeeper-premium-modal")) customElements.define("tollkeeper-premium-modal", PremiumModal);
