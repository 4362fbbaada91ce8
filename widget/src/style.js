// @ts-check
/**
 * The look, as text for one shared style sheet. Colours follow the page's own `color-scheme`, on
 * an opaque ground of ours, so that their contrast (AA) does not depend on the page.
 */
export const STYLE = `
:host {
  display: block;
  box-sizing: border-box;
  contain: layout style;
  overflow: hidden;
  color: var(--ticker-color, light-dark(#1b1f24, #e9ecef));
  background: var(--ticker-background, light-dark(#fff, #15181d));
  border-block: var(--ticker-border, 1px solid light-dark(#dfe3e8, #2c323a));
  font-variant-numeric: tabular-nums lining-nums;
  --up: var(--ticker-up, light-dark(#0a7a3c, #4ade80));
  --down: var(--ticker-down, light-dark(#c0271e, #ff8f85));
  --muted: var(--ticker-muted, light-dark(#5a6270, #a3adba));
  --height: max(var(--ticker-height, 2.5em), 32px);
}
:host([theme="light"]) { color-scheme: light; }
:host([theme="dark"]) { color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }

.bar { display: flex; line-height: var(--height); white-space: nowrap; }
.viewport { flex: 1; min-inline-size: 0; min-block-size: var(--height); overflow: clip; }

.track { display: flex; inline-size: max-content; will-change: transform; }
.group { flex: none; inline-size: var(--loop, auto); }
.copy { user-select: none; -webkit-user-select: none; }
ul { display: flex; inline-size: max-content; margin: 0; padding: 0; list-style: none; }
li { display: flex; flex: none; gap: .4em; direction: ltr; unicode-bidi: isolate; }
/* The bullet is a shape in a gap of fixed width. */
li::before {
  content: "";
  align-self: center;
  margin-inline: var(--ticker-gap, .6em) .8em;
  inline-size: .28em;
  block-size: .28em;
  border-radius: 50%;
  background: var(--muted);
}
[part~="symbol"] { font-weight: 600; }
/* What is written here changes nothing outside: its width is reserved, its layout its own. */
.slot { flex: none; inline-size: calc(var(--reserved) * 1ch + .9em); contain: layout style; }
.value { display: inline-block; white-space: pre; transform-origin: 0 50%; }
li { --tint: var(--muted); }
li[data-direction="up"] { --tint: var(--up); }
li[data-direction="down"] { --tint: var(--down); }
[part~="change"] { color: var(--tint); }
/* Up, down, and a bar for neither, so that a number that begins to move does not make room first. */
li[data-direction] [part~="change"]::before {
  content: "";
  display: inline-block;
  inline-size: .6em;
  block-size: .5em;
  margin-inline-end: .25em;
  background: currentColor;
  clip-path: polygon(0 38%, 100% 38%, 100% 62%, 0 62%);
}
li[data-direction="up"] [part~="change"]::before { clip-path: polygon(50% 0, 100% 100%, 0 100%); }
li[data-direction="down"] [part~="change"]::before { clip-path: polygon(0 0, 100% 0, 50% 100%); }
li:not([data-status="live"]) [part~="price"] {
  text-decoration: underline dotted var(--muted) .1em;
  text-underline-offset: .25em;
}

[part~="message"] { margin: 0; padding-inline: 1.2em; color: var(--muted); }
[part~="status"] { flex: none; padding-inline: .8em; color: var(--down); font-weight: 600; }
:host(:not([state="offline"])) [part~="status"] { display: none; }

[part~="pause"] {
  flex: none;
  align-self: center;
  inline-size: 24px;
  block-size: 24px;
  margin: 0 4px;
  padding: 0;
  border: 0;
  border-radius: 4px;
  color: var(--muted);
  background: none;
  cursor: pointer;
}
[part~="pause"]:focus-visible { outline: 2px solid; outline-offset: -2px; }
[part~="pause"]::before {
  content: "";
  display: block;
  inline-size: 12px;
  block-size: 12px;
  margin: auto;
  background: currentColor;
  clip-path: polygon(10% 0, 40% 0, 40% 100%, 10% 100%, 10% 0, 60% 0, 90% 0, 90% 100%, 60% 100%, 60% 0);
}
[part~="pause"][aria-pressed="true"]::before { clip-path: polygon(15% 0, 95% 50%, 15% 100%); }
.idle ~ [part~="pause"] { visibility: hidden; }

/* Without movement the line wraps, and is there once. */
.still ~ [part~="pause"] { display: none; }
.still .track { will-change: auto; }
.still :is(.track, .group) { display: block; inline-size: auto; }
.still ul { inline-size: auto; flex-wrap: wrap; }
@media print {
  .copy, [part~="pause"] { display: none !important; }
  .track { transform: none !important; }
  .track, .group { display: block; inline-size: auto; }
  ul { inline-size: auto; flex-wrap: wrap; }
}
@media (forced-colors: active) {
  li::before, [part~="change"]::before, [part~="pause"]::before {
    background: CanvasText !important;
    forced-color-adjust: none;
  }
}
`;
