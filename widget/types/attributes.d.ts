/** What templates may say of the elements. */

import type { CurrencyBoard, CurrencyConverter, CurrencyQuote } from "./board.js";
import type { ElementEvents, SelectEvents } from "./common.js";
import type { CurrencyTicker } from "./ticker.js";

/** A template may write every value as a text, as HTML does. */
type Written<Value> = Value extends string ? Value : Value extends boolean ? Value | "" : Value | `${NonNullable<Value> & number}`;

/** The attributes of an element: what it has and HTMLElement has not. */
type Attributes<Element extends HTMLElement> = {
  [Name in Exclude<keyof Element, keyof HTMLElement | "state"> & string]?: Written<Element[Name]>;
};

interface Elements {
  "currency-ticker": { element: CurrencyTicker; attributes: Attributes<CurrencyTicker>; events: SelectEvents };
  "currency-board": { element: CurrencyBoard; attributes: Attributes<CurrencyBoard>; events: SelectEvents };
  "currency-quote": { element: CurrencyQuote; attributes: Attributes<CurrencyQuote>; events: SelectEvents };
  "currency-converter": { element: CurrencyConverter; attributes: Attributes<CurrencyConverter>; events: ElementEvents };
}

export type { Elements };
