/**
 * Defines the modal's style sheet, with custom properties for colors and shape. A strict content security policy allows the
 * modal's style sheet, because a script constructs it.
 */

export const STYLE = `
:host {
  --tollkeeper-accent: light-dark(#4338ca, #a5b4fc);
  --tollkeeper-on-accent: light-dark(#fff, #14172b);
  --tollkeeper-surface: light-dark(#fff, #191d28);
  --tollkeeper-ink: light-dark(#191e2b, #eceff7);
  --tollkeeper-soft: light-dark(#596174, #a5adc0);
  --tollkeeper-line: light-dark(#dde1ea, #333a4a);
  --tollkeeper-danger: light-dark(#b42318, #ff9b90);
  --tollkeeper-radius: 16px;
  --tollkeeper-font: inherit;
  color-scheme: inherit;
}
dialog { width: min(680px, calc(100vw - 24px)); max-height: calc(100dvh - 24px); padding: 0; border: 0; overflow: auto;
  border-radius: var(--tollkeeper-radius); color: var(--tollkeeper-ink); background: var(--tollkeeper-surface);
  font-family: var(--tollkeeper-font); overflow-wrap: anywhere; box-shadow: 0 24px 80px rgb(0 0 0 / 35%); }
dialog::backdrop { background: rgb(10 12 20 / 55%); backdrop-filter: blur(2px); }
.body { padding: 28px; } * { box-sizing: border-box; }
h2 { margin: 0 40px 6px 0; font-size: 26px; line-height: 1.2; letter-spacing: -0.4px; outline: none; }
p { margin: 0 0 14px; line-height: 1.5; } .soft { color: var(--tollkeeper-soft); font-size: 14px; }
.close { position: absolute; top: 18px; right: 18px; width: 36px; height: 36px; padding: 0; border-radius: 50%; font-size: 20px; line-height: 1; }
button, a.button { display: inline-block; max-width: 100%; font: inherit; font-weight: 600; padding: 11px 18px; border-radius: calc(var(--tollkeeper-radius) * 0.6);
  border: 1px solid var(--tollkeeper-line); color: var(--tollkeeper-ink); background: transparent; cursor: pointer; text-decoration: none; text-align: center; }
button.primary, a.primary { color: var(--tollkeeper-on-accent); background: var(--tollkeeper-accent); border-color: transparent; }
button.danger { color: var(--tollkeeper-danger); }
button:hover:not(:disabled), a.button:hover { filter: brightness(1.08); } button:disabled { opacity: 0.6; cursor: default; }
:focus-visible { outline: 3px solid var(--tollkeeper-accent); outline-offset: 2px; } h2:focus-visible { outline: none; }
fieldset { display: inline-flex; gap: 4px; margin: 4px 0 18px; padding: 4px; border: 1px solid var(--tollkeeper-line); border-radius: 999px; }
legend { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
fieldset label { position: relative; padding: 6px 14px; border-radius: 999px; font-size: 14px; font-weight: 600; cursor: pointer; }
fieldset input { position: absolute; inset: 0; margin: 0; opacity: 0; cursor: pointer; }
fieldset label:has(:checked) { color: var(--tollkeeper-on-accent); background: var(--tollkeeper-accent); }
fieldset label:has(:focus-visible) { outline: 3px solid var(--tollkeeper-accent); outline-offset: 2px; }
.plans { display: grid; gap: 16px; grid-template-columns: repeat(auto-fit, minmax(min(230px, 100%), 1fr)); }
.plan { min-width: 0; display: flex; flex-direction: column; padding: 20px; border: 1px solid var(--tollkeeper-line); border-radius: var(--tollkeeper-radius); }
.plan h3 { margin: 0 0 4px; font-size: 18px; }
.price { font-size: 32px; font-weight: 700; letter-spacing: -0.6px; }
.price small { font-size: 14px; font-weight: 400; letter-spacing: 0; color: var(--tollkeeper-soft); }
ul { margin: 12px 0 18px; padding: 0; list-style: none; flex: 1; } li { padding: 4px 0 4px 26px; position: relative; }
li::before { content: ""; position: absolute; left: 5px; top: 9px; width: 5px; height: 10px; transform: rotate(42deg);
  border: solid var(--tollkeeper-accent); border-width: 0 2.5px 2.5px 0; }
.actions { display: flex; flex-wrap: wrap; gap: 10px; margin-top: 18px; }
.messages { position: sticky; bottom: 12px; z-index: 1; } .messages > * { margin: 18px 0 0; background: var(--tollkeeper-surface); }
.alert { margin-top: 10px; padding: 10px 14px; border: 1px solid currentcolor; border-radius: 10px; color: var(--tollkeeper-danger); }
.current { margin: 0; padding: 11px 0; font-weight: 600; text-align: center; } section.plan + section.plan { margin-top: 16px; } .plans section.plan + section.plan { margin-top: 0; }
label.field { display: block; margin-bottom: 6px; font-size: 14px; font-weight: 600; }
select { font: inherit; color: inherit; width: 100%; padding: 10px; border-radius: 10px; border: 1px solid var(--tollkeeper-line); background: var(--tollkeeper-surface); }
.footer { margin: 18px 0 0; text-align: center; }
.skeleton { height: 180px; border-radius: var(--tollkeeper-radius); background: var(--tollkeeper-line); opacity: 0.5; animation: pulse 1.4s ease-in-out infinite; }
@keyframes pulse { 50% { opacity: 0.25; } }
@media (prefers-reduced-motion: reduce) { .skeleton { animation: none; } }
@media (max-width: 520px) { .body { padding: 20px; } .actions > * { width: 100%; } }
`;
