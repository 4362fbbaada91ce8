/** `import "currency-ticker-widget"` defines `<currency-ticker>`. */

import { CurrencyElement, type SelectEvents } from "./common.js";

export type { ElementEvents, Quote, SelectEvents, State } from "./common.js";

/**
 * A line of quotes that moves without end.
 *
 * @tag currency-ticker
 * @slot attribution - takes the place of the names of the sources
 * @fires {CustomEvent<Quote>} ticker-quote - a quote arrived
 * @fires {CustomEvent<{ state: State, message: string }>} ticker-status - the connection changed
 * @fires {CustomEvent<Quote>} ticker-select - a click on a quote, or Enter on its link; cancelable
 * @cssprop --ticker-border - the lines above and below
 * @cssprop --ticker-height - the height of the line
 * @cssprop --ticker-gap - the space around the dot between two quotes
 * @csspart region - all of it
 * @csspart bar - what moves and what stands beside it
 * @csspart viewport - what cuts the line off
 * @csspart track - what moves
 * @csspart group - the quotes that are read
 * @csspart copy - their copies
 * @csspart list - the list of quotes
 * @csspart item - a quote
 * @csspart absent - a quote without a figure
 * @csspart link - a quote that is a link
 * @csspart symbol - the name of the pair
 * @csspart sparkline - the chart
 * @csspart slot - the place reserved for the figures
 * @csspart value - all figures of a quote
 * @csspart price - the price
 * @csspart change - the change in percent
 * @csspart mark - the mark of a status
 * @csspart message - what stands there until quotes come
 * @csspart status - tells that there is no connection
 * @csspart pause - the button
 * @csspart attribution - the names of the sources
 */
export class CurrencyTicker extends CurrencyElement<SelectEvents> {
  /**
   * The pairs, separated by spaces or commas; without it, all.
   *
   * @attr
   * @default ""
   */
  symbols: string;
  /**
   * What to call some of the pairs: `KGS=Som, KZT=Tenge`.
   *
   * @attr
   * @default ""
   */
  titles: string;
  /**
   * Pixels a second, 1 to 1000.
   *
   * @attr
   * @default 50
   */
  speed: number;
  /**
   * `reverse` is the opposite of the usual direction.
   *
   * @attr
   * @default "left"
   */
  direction: "left" | "reverse";
  /**
   * `small` is lower, with smaller text.
   *
   * @attr
   * @default "regular"
   */
  size: "regular" | "small";
  /**
   * The number of decimals, 0 to 12; without it, as many as the price needs.
   *
   * @attr
   * @default null
   */
  digits: number | null;
  /**
   * `compact` is `KGS 0.01144 0%`, and `names` has the names of the currencies.
   *
   * @attr
   * @default "line"
   */
  format: "line" | "compact" | "names";
  /**
   * `change` leaves out the changes.
   *
   * @attr
   * @default ""
   */
  hide: "" | "change";
  /**
   * Whether the line stops or runs on under the pointer.
   *
   * @attr
   * @default "stop"
   */
  hover: "stop" | "run";
  /**
   * `always` moves in spite of a wish for less motion; for unattended screens only.
   *
   * @attr
   * @default "auto"
   */
  motion: "auto" | "always";
  /**
   * The address to which a quote links: `{symbol}`, `{base}` and `{quote}` in it are replaced.
   *
   * @attr
   * @default ""
   */
  link: string;
  /**
   * The id of the page's element into which the names of the sources are written.
   *
   * @attr
   * @default ""
   */
  attribution: string;
  /**
   * Shows the reverse pairs.
   *
   * @attr
   * @default false
   */
  invert: boolean;
  /**
   * Adds a small chart of the last 30 days.
   *
   * @attr
   * @default false
   */
  sparkline: boolean;
  /**
   * Stops the movement.
   *
   * @attr
   * @default false
   */
  paused: boolean;
  /**
   * Shows a list that wraps, without movement.
   *
   * @attr
   * @default false
   */
  static: boolean;
  /**
   * Uses the background and the text colour of the page.
   *
   * @attr
   * @default false
   */
  transparent: boolean;
}

declare global {
  interface HTMLElementTagNameMap {
    "currency-ticker": CurrencyTicker;
  }
}
