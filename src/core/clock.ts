// Time as the core sees it: integers handed in by a caller. Nothing in core reads a clock.

/** Milliseconds since 1970-01-01T00:00:00Z, an integer. */
export type Millis = number;

/** Whoever tells an engine the time; engines without a server of their own take one, so that a test can drive it. */
export interface Clock {
  /** The present instant. */
  now(): Millis;
  /** Time passes only when it is moved, as in tests: nobody need look whether it has, if told of what is far off too. */
  readonly patient?: boolean;
}

/** The largest instant a JavaScript Date can hold (ECMA-262 §21.4.1.1). */
export const instantMax: Millis = 8_640_000_000_000_000;
