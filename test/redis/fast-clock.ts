// A clock that several processes share and on which leases end soon.
import type { Clock } from "../../src/core/clock.ts";

const speed = 30;

/** @param begin when it was started, by the machine's clock; from then on it goes faster */
export function fastClock(begin: number): Clock & { advance(ms: number): void } {
  let ahead = 0;
  return {
    now: () => begin + (Date.now() - begin) * speed + ahead,
    advance: (ms) => {
      ahead += ms;
    },
  };
}
