/** What all elements of the package have in common. */

/**
 * A rate, as the service sends it. Figures are decimal strings, so that no digit is lost; null is unknown, never zero.
 */
export interface Quote {
  /** The pair. `KGS/USD` is the price of one som in dollars. */
  readonly symbol: string;
  /** Units of the symbol's second currency for one unit of its first. */
  readonly price: string;
  /** Units of the symbol's first currency for one unit of its second. */
  readonly inverse: string;
  /** The price in the publication before, of the same source. */
  readonly previous: string | null;
  /** `price` minus `previous`. */
  readonly change: string | null;
  /** `change` in percent of `previous`; positive when the first currency rose. */
  readonly change_percent: string | null;
  /** The day from which the price is valid, `2026-09-29`, or the moment in UTC. */
  readonly as_of: string;
  /** The key of the source. */
  readonly source: string;
  /** Its short name, for readers. */
  readonly source_name?: string;
  /** The site that must be named beside the price by the terms of the source. */
  readonly source_site?: string;
  /** How far the quote can be trusted. */
  readonly status: "live" | "pegged" | "unconfirmed" | "stale" | "fallback";
  /** When the service last published the quote, in UTC. */
  readonly published_at: string;
  /** The published figure, digit for digit; null, as are `nominal` and `direction`, if the rate was calculated. */
  readonly value?: string | null;
  /** How many units of the first currency of `direction` cost `value`. */
  readonly nominal?: number | null;
  /** The pair that the source publishes. */
  readonly direction?: string | null;
  /** The price that the source has announced for a later day. */
  readonly next?: { readonly price: string; readonly inverse: string; readonly as_of: string } | null;
  /** Whether the source replaced its figure of this day. */
  readonly corrected?: boolean;
  /** When the quote becomes late if no newer one arrives, in UTC. */
  readonly due_at?: string | null;
}

/** How the connection to the service is. */
export type State = "connecting" | "live" | "offline";

/** The events of an element, by their names. */
export interface ElementEvents {
  /** A quote arrived. */
  "ticker-quote": CustomEvent<Quote>;
  /** The connection changed; `message` is the service's error text. */
  "ticker-status": CustomEvent<{ readonly state: State; readonly message: string }>;
}

/** The events of an element whose quotes can be chosen. */
export interface SelectEvents extends ElementEvents {
  /** A quote was chosen. */
  "ticker-select": CustomEvent<Quote>;
}

/**
 * A property gives what counts: the default where its attribute is absent or cannot be read.
 *
 * @cssstate connecting - no connection yet
 * @cssstate live - connected
 * @cssstate offline - without a connection for 30 s
 * @cssprop --ticker-color - the text
 * @cssprop --ticker-background - the background
 * @cssprop --ticker-up - what rose
 * @cssprop --ticker-down - what fell
 * @cssprop --ticker-muted - what matters less
 * @cssprop --ticker-warn - a status that readers have to know of
 */
export class CurrencyElement<Events = ElementEvents> extends HTMLElement {
  /**
   * The address of the service; without it, the address of the page.
   *
   * @attr
   * @default ""
   */
  src: string;
  /**
   * `auto` is the page's `color-scheme`.
   *
   * @attr
   * @default "auto"
   */
  theme: "auto" | "light" | "dark";
  /**
   * The language of words, figures, dates and names; without it, the page's `lang`.
   *
   * @attr
   * @default ""
   */
  locale: string;
  /** How the connection is. */
  readonly state: State;
  /** @ignore */
  addEventListener<Name extends keyof (HTMLElementEventMap & Events)>(
    type: Name,
    listener: (this: this, event: (HTMLElementEventMap & Events)[Name]) => unknown,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | AddEventListenerOptions,
  ): void;
  /** @ignore */
  removeEventListener<Name extends keyof (HTMLElementEventMap & Events)>(
    type: Name,
    listener: (this: this, event: (HTMLElementEventMap & Events)[Name]) => unknown,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject,
    options?: boolean | EventListenerOptions,
  ): void;
}
