/** `import "currency-ticker-widget/board"` defines the table, the single rate and the converter. */

import { CurrencyElement, type SelectEvents } from "./common.js";

export type { ElementEvents, Quote, SelectEvents, State } from "./common.js";

/**
 * A table of quotes.
 *
 * @tag currency-board
 * @slot attribution - takes the place of the names of the sources
 * @fires {CustomEvent<Quote>} ticker-quote - a quote arrived
 * @fires {CustomEvent<{ state: State, message: string }>} ticker-status - the connection changed
 * @fires {CustomEvent<Quote>} ticker-select - a row was chosen or opened; cancelable, then nothing opens
 * @csspart region - all of it
 * @csspart table - the table
 * @csspart head - its head
 * @csspart heading - the head of a column
 * @csspart row - the row of a pair
 * @csspart opened - what a row has opened
 * @csspart pair - the cell of the pair
 * @csspart symbol - the symbol of the pair
 * @csspart name - the name of the currency
 * @csspart mark - the mark of a status, where no column has it
 * @csspart price - the cell of the price, and its head
 * @csspart inverse - the cell of the reverse rate
 * @csspart change - the cell of the change
 * @csspart chart - the cell of the chart
 * @csspart picture - the chart
 * @csspart source - the cell of the source
 * @csspart date - the cell of the date
 * @csspart state - the cell of the status
 * @csspart more - what is known beside the status
 * @csspart foot - the line below the table
 * @csspart status - tells that there is no connection
 * @csspart attribution - the names of the sources
 */
export class CurrencyBoard extends CurrencyElement<SelectEvents> {
  /**
   * The pairs, separated by spaces or commas; without it, all.
   *
   * @attr
   * @default ""
   */
  symbols: string;
  /**
   * Which columns, and in which order.
   *
   * @attr
   * @default "price inverse change chart source date status"
   */
  columns: string;
}

/**
 * One rate, as a box or in a sentence.
 *
 * @tag currency-quote
 * @slot attribution - takes the place of the name of the source
 * @fires {CustomEvent<Quote>} ticker-quote - a quote arrived
 * @fires {CustomEvent<{ state: State, message: string }>} ticker-status - the connection changed
 * @fires {CustomEvent<Quote>} ticker-select - a click
 * @csspart frame - the box
 * @csspart inline - the place in a sentence
 * @csspart row - the figures
 * @csspart pair - the pair
 * @csspart symbol - its symbol
 * @csspart name - the name of the currency
 * @csspart mark - the mark of a status
 * @csspart price - the price
 * @csspart change - the change in percent
 * @csspart chart - the place of the chart
 * @csspart picture - the chart
 * @csspart date - the date
 * @csspart state - the status
 * @csspart more - what is known beside the status
 * @csspart foot - the line at the bottom
 * @csspart status - tells that there is no connection
 * @csspart attribution - the name of the source
 */
export class CurrencyQuote extends CurrencyElement<SelectEvents> {
  /**
   * The pair: `KGS`, `USD/KGS`.
   *
   * @attr
   * @default ""
   */
  symbol: string;
  /**
   * `inline` stands in a sentence.
   *
   * @attr
   * @default "box"
   */
  format: "box" | "inline";
  /**
   * The number of decimals, 0 to 12; without it, as many as the price needs.
   *
   * @attr
   * @default null
   */
  digits: number | null;
  /**
   * Adds a small chart of the last 30 days.
   *
   * @attr
   * @default false
   */
  sparkline: boolean;
}

/**
 * A converter by the newest official rates.
 *
 * @tag currency-converter
 * @slot attribution - takes the place of the names of the sources
 * @fires {CustomEvent<Quote>} ticker-quote - a quote arrived
 * @fires {CustomEvent<{ state: State, message: string }>} ticker-status - the connection changed
 * @csspart frame - all of it
 * @csspart fields - what readers choose
 * @csspart amount - the amount, with its label
 * @csspart from - the first currency, with its label
 * @csspart to - the second currency, with its label
 * @csspart label - a label
 * @csspart input - the field of the amount
 * @csspart select - a list of currencies
 * @csspart swap - the button that swaps the currencies
 * @csspart answer - what is answered
 * @csspart result - the result, with its label
 * @csspart output - the place of the result
 * @csspart sum - the result
 * @csspart hint - why there is no result
 * @csspart rates - the rates, with source and date
 * @csspart foot - the line at the bottom
 * @csspart status - tells that there is no connection
 * @csspart attribution - the names of the sources
 */
export class CurrencyConverter extends CurrencyElement {
  /**
   * The amount at first, as a decimal.
   *
   * @attr
   * @default "100"
   */
  amount: string;
  /**
   * The currency of the amount at first.
   *
   * @attr
   * @default "USD"
   */
  from: string;
  /**
   * The currency of the result at first; without it, the first other one.
   *
   * @attr
   * @default ""
   */
  to: string;
  /**
   * The pairs whose currencies are offered; without it, all.
   *
   * @attr
   * @default ""
   */
  symbols: string;
  /**
   * The number of decimals of the result, 0 to 12; without it, as many as it needs.
   *
   * @attr
   * @default null
   */
  digits: number | null;
}

declare global {
  interface HTMLElementTagNameMap {
    "currency-board": CurrencyBoard;
    "currency-quote": CurrencyQuote;
    "currency-converter": CurrencyConverter;
  }
}
