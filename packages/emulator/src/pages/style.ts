/** The style sheet of the emulator's pages, with light, dark and print styles. */
export const STYLE: string = `
:root { color-scheme: light dark; --ink: light-dark(#1b2130, #e9ecf4); --soft: light-dark(#5c6579, #a2aabd);
  --paper: light-dark(#f5f6fa, #12151d); --card: light-dark(#fff, #1b202b); --line: light-dark(#dfe3ec, #2f3646);
  --edge: light-dark(#858da0, #717a90); --accent: light-dark(#4338ca, #a5b4fc); --on-accent: light-dark(#fff, #14172b);
  --bad: light-dark(#b42318, #ff9b90); --good: light-dark(#067647, #75e0a7); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); overflow-wrap: anywhere; }
.bar { display: flex; flex-wrap: wrap; gap: 8px 20px; align-items: center; padding: 10px 16px; background: light-dark(#fef3c7, #423306); }
.bar .soft { color: inherit; } .bar a { color: inherit; margin-right: 12px; } .bar form { display: flex; gap: 8px; flex: 1 1 260px; max-width: 520px; }
.bar input { padding: 6px 10px; min-width: 0; } .bar button { width: auto; flex: none; margin: 0; padding: 6px 12px; }
.chips { display: flex; flex-wrap: wrap; gap: 4px 14px; list-style: none; padding: 0; margin: 0 0 16px; font-size: 14px; }
.filter, .fields { display: grid; gap: 4px 12px; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); align-items: end; }
.filter button, .fields button { margin: 0; padding: 10px 14px; } .filter > label:first-child { grid-column: 1 / -1; margin: 0; }
.check { display: flex; gap: 6px; align-items: center; margin: 0; padding: 10px 0; } .check input { width: auto; }
main.viewer { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 20px; }
main.viewer > * { grid-column: 1 / -1; } main.viewer > #clock, main.viewer > #faults { grid-column: auto; }
.viewer pre { max-height: 520px; }
td ol { margin: 0; padding-left: 18px; } h2 code, h1 code { font-size: inherit; }
.banner a { color: inherit; }
.banner { margin: 0; padding: 6px 16px; text-align: center; font-size: 13px; background: light-dark(#fef3c7, #423306); }
main { max-width: 880px; margin: 32px auto; padding: 0 16px; }
main.narrow { max-width: 560px; } main.viewer { max-width: 1120px; }
.seller { font-weight: 650; font-size: 17px; margin: 0 0 14px; }
.columns { display: grid; gap: 32px; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); align-items: start; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px; margin: 0 0 20px; }
h1 { font-size: 22px; line-height: 1.3; margin: 0 0 12px; } h2 { font-size: 17px; margin: 0 0 8px; }
p { margin: 0 0 10px; }
.back { display: inline-block; margin: 0 0 16px; } .back::before { content: ""; display: inline-block; width: 7px; height: 7px; margin: 0 7px 2px 2px; border: solid currentcolor; border-width: 0 0 2px 2px; transform: rotate(45deg); }
.price { font-size: 34px; line-height: 1.25; font-weight: 650; letter-spacing: -0.5px; margin: 4px 0; }
.soft { color: var(--soft); font-size: 14px; }
.row { display: flex; justify-content: space-between; align-items: baseline; gap: 4px 16px; padding: 10px 0; border-top: 1px solid var(--line); }
.row > :last-child { flex: none; text-align: right; max-width: 55%; } .row > :first-child { min-width: 0; }
.row.sum { font-weight: 650; } .row.wrap { flex-wrap: wrap; } .row.wrap > :last-child { max-width: none; }
label { display: block; font-size: 14px; font-weight: 550; margin: 12px 0 4px; }
input, select, textarea { width: 100%; font: inherit; color: inherit; padding: 10px 12px; border: 1px solid var(--edge); border-radius: 9px; background: var(--paper); }
select { text-overflow: ellipsis; }
.pair { display: grid; gap: 12px; grid-template-columns: 1fr 1fr; }
button, .button { display: inline-block; width: 100%; margin-top: 18px; padding: 12px 16px; border: 1px solid transparent; border-radius: 10px; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; color: var(--on-accent); background: var(--accent); }
button.quiet, .button.quiet { color: var(--ink); background: transparent; border-color: var(--edge); }
button.danger, .button.danger { color: #fff; background: #b42318; }
button:disabled { opacity: .55; cursor: not-allowed; }
button:not(:disabled, .link):hover, .button:hover { filter: brightness(1.12); }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.alert { padding: 10px 14px; border-radius: 9px; margin: 0 0 12px; color: var(--bad); border: 1px solid currentcolor; font-size: 15px; }
.badge { display: inline-block; padding: 0 9px; border: 1px solid var(--edge); border-radius: 99px; font-size: 13px; white-space: nowrap; color: var(--soft); }
.badge.good { color: var(--good); border-color: currentcolor; } .badge.bad { color: var(--bad); border-color: currentcolor; }
details { margin-top: 16px; font-size: 14px; } summary { cursor: pointer; color: var(--soft); }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; } td, th { text-align: left; vertical-align: top; padding: 6px 8px 6px 0; border-top: 1px solid var(--line); }
thead th { border-top: 0; color: var(--soft); font-weight: 550; white-space: nowrap; }
td details { margin: 0; } pre { margin: 8px 0 0; padding: 10px; max-height: 320px; overflow: auto; font: 12px/1.45 ui-monospace, monospace; white-space: pre-wrap; background: var(--paper); border-radius: 9px; }
code { font: 13px ui-monospace, monospace; } .viewer td code { white-space: nowrap; } a { color: var(--accent); }
.num { text-align: right; } .nowrap { white-space: nowrap; overflow-wrap: normal; }
button.link { width: auto; white-space: nowrap; overflow-wrap: normal; margin: 0; padding: 0; color: var(--accent); background: none; border: 0; font-weight: 400; text-decoration: underline; }
.inline { display: flex; gap: 8px; flex-wrap: wrap; align-items: center; } .inline button, .inline .button { width: auto; margin-top: 4px; padding: 8px 14px; }
.inline button.link { margin: 0; padding: 4px; }
.code-form { display: grid; grid-template-columns: minmax(0, 1fr) auto; gap: 4px 8px; align-items: end; margin-top: 8px; }
.code-form label { grid-column: 1 / -1; } .code-form button { width: auto; margin: 0; padding: 10px 16px; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
@media (max-width: 700px) {
  .seller { font-weight: 650; font-size: 17px; margin: 0 0 14px; }
.columns { grid-template-columns: minmax(0, 1fr); gap: 20px; } main { margin: 20px auto; } .card { padding: 18px; }
  main.viewer > #clock, main.viewer > #faults { grid-column: 1 / -1; } main.viewer table { min-width: 880px; } .row:not(.wrap) > :last-child { max-width: 45%; }
}
@media print {
  :root { color-scheme: light; } body { background: none; } .banner, form, .back, .screen { display: none; }
  .card { border: 0; padding: 0; } main { margin: 0; max-width: none; }
}
`;
