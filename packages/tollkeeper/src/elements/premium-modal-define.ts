/** Registers `<tollkeeper-premium-modal>`. Import it once, for its effect. */
import { PremiumModal } from "./premium-modal.ts";

export { PremiumModal };

if (!customElements.get("tollkeeper-premium-modal")) customElements.define("tollkeeper-premium-modal", PremiumModal);
