/** The frame and the style of the emulator's pages. They ask nothing of the network. */
import { html } from "hono/html";

export type Markup = ReturnType<typeof html>;

export function layout(title: string, body: Markup): Markup {
  return html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${title}</title>
        <link rel="stylesheet" href="/_emulator/style.css" />
        <link rel="icon" href="data:," />
      </head>
      <body>
        <p class="banner">Local emulator: no real money, test cards only</p>
        <main>${body}</main>
      </body>
    </html>`;
}

export function notFound(text: string): Markup {
  return layout("Not found", html`<div class="card"><h1>${text}</h1></div>`);
}

export const STYLE: string = `
:root { color-scheme: light dark; --ink: light-dark(#1b2130, #e9ecf4); --soft: light-dark(#5c6579, #a2aabd);
  --paper: light-dark(#f5f6fa, #12151d); --card: light-dark(#fff, #1b202b); --line: light-dark(#dfe3ec, #2f3646);
  --accent: light-dark(#4338ca, #a5b4fc); --on-accent: light-dark(#fff, #14172b); --bad: light-dark(#b42318, #ff9b90); }
* { box-sizing: border-box; }
body { margin: 0; font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
.banner { margin: 0; padding: 6px 16px; text-align: center; font-size: 13px; background: light-dark(#fef3c7, #423306); }
main { max-width: 880px; margin: 32px auto; padding: 0 16px; }
main.narrow { max-width: 480px; }
.columns { display: grid; gap: 32px; grid-template-columns: 1fr 1fr; align-items: start; }
@media (max-width: 700px) { .columns { grid-template-columns: 1fr; } }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 14px; padding: 24px; margin-bottom: 20px; }
h1 { font-size: 22px; margin: 0 0 12px; } h2 { font-size: 17px; margin: 0 0 8px; }
.price { font-size: 34px; font-weight: 650; letter-spacing: -0.5px; margin: 4px 0; }
.soft { color: var(--soft); font-size: 14px; }
.row { display: flex; justify-content: space-between; gap: 16px; padding: 8px 0; border-top: 1px solid var(--line); }
label { display: block; font-size: 14px; font-weight: 550; margin: 12px 0 4px; }
input, select, textarea { width: 100%; font: inherit; color: inherit; padding: 10px 12px; border: 1px solid var(--line); border-radius: 9px; background: var(--paper); }
.pair { display: grid; gap: 12px; grid-template-columns: 1fr 1fr; }
button, .button { display: inline-block; width: 100%; margin-top: 18px; padding: 12px 16px; border: 0; border-radius: 10px; font: inherit; font-weight: 600;
  text-align: center; text-decoration: none; cursor: pointer; color: var(--on-accent); background: var(--accent); }
button.quiet, .button.quiet { color: var(--ink); background: transparent; border: 1px solid var(--line); }
button.danger { color: #fff; background: #b42318; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
.alert { padding: 10px 14px; border-radius: 9px; margin: 0 0 12px; color: var(--bad); border: 1px solid currentcolor; font-size: 15px; }
details { margin-top: 16px; font-size: 14px; } summary { cursor: pointer; color: var(--soft); }
table { border-collapse: collapse; width: 100%; font-size: 14px; } td, th { text-align: left; padding: 6px 8px; border-top: 1px solid var(--line); }
code { font: 13px ui-monospace, monospace; } a { color: var(--accent); }
button.link { width: auto; margin: 0; padding: 0; color: var(--accent); background: none; font-weight: 400; text-decoration: underline; }
td { overflow-wrap: anywhere; }
.inline { display: flex; gap: 8px; flex-wrap: wrap; } .inline button { width: auto; margin-top: 8px; padding: 8px 14px; }
`;
