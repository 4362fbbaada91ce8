// @ts-check
/**
 * The look of the elements of board.js, as text for shared style sheets: what all have, and the table's own.
 *
 * Colours and shapes are the line's. Widths follow from the columns alone, and every text has a place that is
 * reserved, so that nothing moves when it changes.
 */

import LOOK from "../look.json" with { type: "json" };
import { colour } from "../style.js";

export const HOST = `
:host {
  display: block;
  white-space: normal;
  text-indent: 0;
  color: var(--ticker-color, ${colour("text")});
  --ground: var(--ticker-background, ${colour("ground")});
  background: var(--ground);
  font-variant-numeric: tabular-nums;
  --up: var(--ticker-up, ${colour("up")});
  --down: var(--ticker-down, ${colour("down")});
  --muted: var(--ticker-muted, ${colour("muted")});
  --warn: var(--ticker-warn, ${colour("warn")});
  --edge: ${colour("edge")};
  @media print { color-scheme: light !important; print-color-adjust: exact; }
}
/* Vertical text of the page would cut what is inside, and its fill colour would replace our colours. */
.frame, .region { writing-mode: horizontal-tb; -webkit-text-fill-color: currentColor; }
:host([theme=light]) { color-scheme: light; }
:host([theme=dark]) { color-scheme: dark; }
:host([hidden]), [hidden] { display: none !important; }
[data-direction], [data-status] { --shape: ${LOOK.arrows.flat}; }
:is([data-direction], [data-status], .swap)::before {
  content: "";
  clip-path: polygon(var(--shape));
  display: inline-block;
  width: .6em;
  height: .6em;
  margin-inline-end: .4em;
  background: currentColor;
}
[data-direction=up] { color: var(--up); --shape: ${LOOK.arrows.up}; }
[data-direction=down] { color: var(--down); --shape: ${LOOK.arrows.down}; }
[data-status=stale], [data-status=offline] { --shape: ${LOOK.marks.stale}; color: var(--warn); font-weight: 600; }
[data-status=fallback] { --shape: ${LOOK.marks.fallback}; color: var(--warn); font-weight: 600; }
[data-status=unconfirmed] { --shape: ${LOOK.marks.unconfirmed}; color: var(--warn); font-weight: 600; }
[data-status=pegged] { --shape: ${LOOK.marks.pegged}; }
[data-status=live]::before { clip-path: circle(); color: var(--up); }
svg { display: block; width: 100%; height: 100%; overflow: visible; }
path { fill: none; stroke: currentColor; stroke-width: 1.5px; stroke-linejoin: round; }
.dots { stroke-width: 5px; stroke-linecap: round; }
.symbol { display: flex; gap: .4em; align-items: center; min-height: 24px; font-weight: 600; }
/* A name that is cut has to show it: it could be read as that of another currency. */
.name, .more, .frame .date, .label { max-width: 100%; height: 1.35em; overflow: hidden; white-space: nowrap; text-overflow: ellipsis; font-size: .8125em; line-height: 1.35; color: var(--muted); }
/* The words for it, for those who can't see the shape. */
.mark::after { content: attr(title); position: absolute; clip-path: inset(50%); }
.mark:not([hidden]) + bdi::before { content: none; }
.picture { height: 2em; padding-inline-end: 3px; }
.frame { display: block; box-sizing: border-box; padding: .75em 1em; border: 1px solid var(--edge); }
.foot { min-height: 20px; padding-block: .5em; color: var(--muted); font-size: 12px; line-height: 20px; }
bdi { display: block; text-align: -webkit-match-parent; text-align: match-parent; }
:is(.inline, .inverse) bdi { display: inline; }
/* Its word takes no place: where it has no room beside the sources, it is below them. */
[role=status] { font-weight: 600; color: var(--down); height: 0; margin-inline-start: 1em; float: inline-end; }
button { all: unset; cursor: pointer; }
:focus-visible { outline: 2px solid; }
@media (forced-colors: active) {
  :not(.inverse)::before, ::after { forced-color-adjust: none; background: CanvasText !important; }
  [data-fresh] { outline: 1px solid; }
}
`;

export const BOARD = `
.region { container-type: inline-size; contain-intrinsic-inline-size: min(20em, 75vw); }
table, thead, tbody { display: block; }
tr { display: grid; grid-template-columns: var(--columns); border-block-end: 1px solid var(--edge); gap: 0 1em; align-items: baseline; }
th, td { display: block; min-width: 0; padding: 0; font-weight: 400; text-align: start; }
td { font-size: .9375em; }
.head {
  th { color: var(--muted); font-size: .8125em; }
  button { display: inline-flex; gap: .4em; align-items: center; min-height: 2.25em; }
  :is(.price, .inverse) button { flex-direction: row-reverse; }
}
[aria-sort] button::after, button.symbol::after { content: ""; width: .6em; height: .45em; background: currentColor; clip-path: polygon(${LOOK.arrows.down}); }
[aria-sort=ascending] button::after, [aria-expanded=true]::after { rotate: 180deg; }
/* An arrow before a text that ends at the edge would move with it. */
.price, .inverse { text-align: end; }
.source { overflow-wrap: anywhere; }
.row { padding-block: .5em; min-height: var(--row); break-inside: avoid; }
.row .price { font-weight: 600; font-size: 1.125em; }
.row .chart { align-self: start; }
.more { height: 2.7em; white-space: normal; }
[data-fresh] { background: light-dark(#fff3c4, #3a3413); }
.opened { display: block; }
`;

/** What is otherwise where the columns have no room: each row is a card, and the head a line of buttons. */
export const CARDS = `
.head tr { display: flex; flex-wrap: wrap; }
/* Not seen, but counted: what reads a table aloud takes the heads one after the other. */
.head .chart { position: absolute; clip-path: inset(50%); }
tbody { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 18em), 1fr)); grid-auto-flow: dense; gap: 0 2em; }
.row { grid-template-columns: 1fr minmax(9.5em, auto); grid-auto-flow: dense; align-content: start; gap: .125em 1em; }
.pair { grid-area: 1 / 1; }
.row .price { grid-area: 1 / 2; }
.inverse, .date { grid-column: 2; text-align: end; }
.change, .source { grid-column: 1; }
.chart, .state, .opened { grid-column: 1 / -1; }
.row .inverse::before { content: attr(data-label); content: attr(data-label) / ""; margin-inline-end: .4em; color: var(--muted); }
.more { height: 1.35em; }
`;

/**
 * A box of its own, or a part of the sentence around it, which has its colours, font and height of lines. There the
 * change has room for `-0.44%`, and a mark takes the place of its arrow, so that the sentence does not move.
 */
export const QUOTE = `
:host { background: none; }
.frame {
  width: 16em; max-width: 100%; container-type: inline-size; background: var(--ground);
  .price { min-height: 1.35em; overflow-wrap: anywhere; font-size: min(1.5em, 13cqi); font-weight: 600; line-height: 1.35; }
  .change, .state { min-height: 1.5em; }
  .state { font-size: .875em; }
  .more { display: none; }
}
:host([format=inline]) { color: inherit; display: inline; }
.inline {
  .row { white-space: nowrap; }
  .change { display: inline-block; min-width: calc(6.5ch + 1em); }
  .pair { display: none; }
  .chart, .picture { display: inline-block; width: 4em; height: 1em; }
}
[data-status=offline] { color: var(--down); }
`;

export const CONVERTER = `
:host { container-type: inline-size; contain-intrinsic-inline-size: min(20em, 75vw); }
.frame, .fields { display: grid; gap: .5em 1em; align-items: start; }
.fields { grid-template-columns: 1fr auto; }
label { grid-column: 1; }
label, .label, output { display: block; min-width: 0; }
input, select, .swap { box-sizing: border-box; width: 100%; height: 2.5em; padding-inline: .5em; border: 1px solid var(--muted); font: inherit; color: inherit; background: var(--ground); }
.swap { grid-area: 2 / 2 / 4; --shape: 0 50%, 25% 0, 50% 50%, 100% 50%, 75% 100%, 50% 50%; text-align: center; align-self: center; }
.swap::before { width: 1em; margin: 0; height: 1em; }
[aria-invalid], .hint { color: var(--down); border-color: currentColor; }
output { min-height: 2.4em; }
.sum { font-size: 1.5em; overflow-wrap: anywhere; font-weight: 600; }
.rates { min-height: 5.4em; font-size: .8125em; line-height: 1.35; white-space: pre-line; }
@container (min-width: 34em) { .frame { grid-template-columns: 1fr 1fr; } }
`;
