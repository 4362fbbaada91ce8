// @ts-check
/**
 * The look, as text for one shared style sheet. Colours follow the page's own `color-scheme`, on
 * an opaque ground of ours, so that their contrast (AA) does not depend on the page.
 *
 * Which way the line moves is the page's `dir`, and nothing else: a movement against the text would
 * leave holes. What is written into a value changes nothing outside of its slot, whose size is
 * reserved; its layout is its own. Everything that is drawn is a box cut out by `--shape`.
 *
 * Colours and shapes are those of look.json, which ticker/line.py reads too.
 */

import LOOK from "./look.json" with { type: "json" };

/** @param {keyof typeof LOOK.light} name */
export const colour = (name) => `light-dark(${LOOK.light[name]}, ${LOOK.dark[name]})`;

export const STYLE = `
:host {
  display: block;
  contain: layout;
  writing-mode: horizontal-tb;
  max-width: 100%;
  /* In a row where there is room, it keeps that of an item; in a narrow one it takes what its neighbours leave. */
  min-width: clamp(min(100%, 180px), (100% - var(--needs) * 1.25) * 99, var(--needs));
  --item: 135px;
  --needs: calc(var(--item) + 3em);
  color: var(--ticker-color, ${colour("text")});
  /* A fill colour of the page would replace our colours. */
  -webkit-text-fill-color: currentColor;
  background: var(--ticker-background, ${colour("ground")});
  font-variant-numeric: tabular-nums;
  --down: var(--ticker-down, ${colour("down")});
  --muted: var(--ticker-muted, ${colour("muted")});
  --warn: var(--ticker-warn, ${colour("warn")});
  --height: max(var(--ticker-height, 2.5em), 32px);
  --sign: -1;
}
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([hidden]) { display: none; }
:host([size=small]) .region { font-size: .8125em; --height: max(var(--ticker-height, 2em), 26px); }
/* On the page's own ground only the page's own colour can be read. */
:host([transparent]:not([transparent=false])) { color: var(--ticker-color, inherit); background: none; --muted: var(--ticker-muted, currentColor); }

div { direction: ltr; white-space: nowrap; text-indent: 0; }
div:dir(rtl) { direction: rtl; --sign: 1; }
.bar {
  display: flex;
  align-items: center;
  /* What is cut by clip alone, checkers of contrast take for text on the page's ground (axe-core 4.14). */
  overflow: hidden;
}
.region { border-block: var(--ticker-border, 1px solid ${colour("edge")}); }
/* Where the parent is as wide as what is in it, that is one item and what stands beside it, unless the window is less. */
.viewport { flex: 1; width: min(var(--item), 100vw - 4em); min-width: 0; line-height: var(--height); overflow: clip; touch-action: pan-y pinch-zoom; }
.track { display: flex; width: max-content; }
/* The lists are shifted one by one, and not the track: what stays in its place is then no layout shift, also where the loop grows. */
.group, .copy { flex: none; width: var(--loop, auto); translate: calc(var(--sign) * var(--shift)); }
ul { display: flex; align-items: start; width: max-content; margin: 0; padding: 0; list-style: none; }
:is(ul, .change):empty, p { display: none; max-width: inherit; width: inherit; }
li, li > * { display: flex; gap: 0 .4em; }
li > * { flex-wrap: wrap; }
li { flex: none; direction: ltr; unicode-bidi: isolate; --tint: var(--muted); }
li[data-direction="up"] { --tint: var(--ticker-up, ${colour("up")}); --arrow: ${LOOK.arrows.up}; }
li[data-direction="flat"] { --arrow: ${LOOK.arrows.flat}; }
li[data-direction="down"] { --tint: var(--down); --arrow: ${LOOK.arrows.down}; }
li[data-status="stale"] { --status: ${LOOK.marks.stale}; }
li[data-status="fallback"] { --status: ${LOOK.marks.fallback}; }
li[data-status="unconfirmed"] { --status: ${LOOK.marks.unconfirmed}; }
li[data-status="pegged"] { --warn: var(--muted); --status: ${LOOK.marks.pegged}; }
.symbol { font-weight: 600; }
/* Whole pixels: when one grows, the places behind the loop's end do not move by a part of one. */
.slot {
  width: calc(var(--reserved) * 1ch + 2.1em);
  width: round(up, calc(var(--reserved) * 1ch + 2.1em), 1px);
  height: var(--height);
  position: relative;
  /* The page's own would need more than what is reserved. */
  letter-spacing: 0;
}
/* Chromium lays out a flex item with all that is around it, but not what is positioned. */
.value {
  position: absolute;
  top: 0;
  left: 0;
  text-align: left;
  width: calc(100% / var(--squeeze));
  height: 100%;
  contain: strict;
  white-space: pre;
  scale: var(--squeeze) 1;
  transform-origin: 0;
}

:where(li, .change, .mark, button)::before {
  content: "";
  display: inline-block;
  width: .6em;
  height: .6em;
  background: currentColor;
  clip-path: polygon(var(--shape, 0 0));
}
li::before {
  height: var(--height);
  margin-inline: var(--ticker-gap, .4em) .2em;
  color: var(--muted);
  clip-path: circle(.14em);
}
.change { --shape: var(--arrow); color: var(--tint); }
.change::before { margin-inline: .3em .25em; }
.mark { --shape: var(--status); margin-inline-start: .3em; color: var(--warn); }
/* The words for it, for those who can't see the shape; not part of what is copied. */
.mark::after { content: attr(data-note); position: absolute; clip-path: inset(50%); }
.sparkline { align-self: center; width: 4em; height: 1em; background: var(--muted); clip-path: var(--chart, inset(50%)); }

.message, .attribution { padding-inline: 1em; color: var(--muted); }
.attribution { box-sizing: border-box; width: 0; min-width: 100%; height: 20px; overflow: hidden; font-size: 12px; line-height: 20px; text-overflow: ellipsis; }
/* Where a list comes, what is not seen yet is no layout shift. */
.attribution:has(:empty) { visibility: hidden; }
.status { padding-inline-start: .8em; color: var(--down); font-weight: 600; }

a { color: inherit; text-decoration: none; }
:focus-visible { outline: 2px solid; outline-offset: -2px; }
button {
  all: unset;
  width: 24px;
  height: 24px;
  margin: 0 4px;
  font-size: 20px;
  line-height: 24px;
  text-align: center;
  color: var(--muted);
  cursor: pointer;
  --shape: 10% 0, 40% 0, 40% 100%, 10% 100%, 10% 0, 60% 0, 90% 0, 90% 100%, 60% 100%, 60% 0;
}
button[aria-pressed="true"] { --shape: 15% 0, 95% 50%, 15% 100%; }
.still { --height: 2em; --item: 24em; }
.still ~ button { display: none; }

/* Without movement the line is a table, and is there once; what is wider than the page wraps. */
.still :is(.track, .group) { display: block; width: auto; }
.still ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24em), 1fr)); width: auto; white-space: normal; }
@media print {
  :host { color-scheme: light !important; print-color-adjust: exact; }
  .copy, button { display: none !important; }
  .track, .group { translate: none; transform: none !important; margin: 0; display: block; width: auto; }
  ul { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 24em), 1fr)); width: auto; white-space: normal; }
}
@media (forced-colors: active) {
  .sparkline, ::before { background: CanvasText; forced-color-adjust: none; }
}
`;
