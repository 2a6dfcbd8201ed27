// Instants as tests write them: a Date, a text with an offset, or a local time of the test's zone; and back, for messages.
import type { Millis } from "../core/clock.ts";
import { getZone, wallToInstants } from "../core/cron/zone.ts";
import { shown } from "../core/duration.ts";
import { InvalidInputError } from "../core/errors.ts";
import { checkInstant } from "../core/instant.ts";

/** A Date, a text with an offset ("2026-03-28T09:00:00Z"), or a local time of the test's zone ("2026-03-28T09:00"). */
export type TestInstant = Date | string;

const local = /^\d{4}-\d{2}-\d{2}(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?)?$/;

const mend = "Correct the named instant and call again.";

/** Reads and writes instants in one zone. */
export class LocalTime {
  readonly #zone: ReturnType<typeof getZone>;

  /** @throws InvalidTimeZoneError */
  constructor(timezone: string) {
    this.#zone = getZone(timezone);
  }

  /**
   * Reads an instant. A local time that a clock change skips is the instant of the change, one that comes twice is the
   * first: as for cron rules. A date alone is its midnight.
   * @throws InvalidInputError
   */
  read(value: unknown, field: string): Millis {
    if (typeof value !== "string" || !local.test(value)) return this.#readAbsolute(value, field);
    const text = value.length === 10 ? `${value}T00:00` : value;
    const wall = Date.parse(`${text}Z`);
    // Date.parse rolls February 30 over into March.
    if (Number.isNaN(wall) || new Date(wall).toISOString().slice(0, 10) !== value.slice(0, 10)) {
      throw new InvalidInputError(`${field} must be a real date and time, got ${shown(value)}`, { field, mend });
    }
    const found = wallToInstants(this.#zone, wall);
    return found.kind === "none" ? found.transition : found.kind === "one" ? found.instant : found.first;
  }

  #readAbsolute(value: unknown, field: string): Millis {
    try {
      return checkInstant(value, field);
    } catch {
      const message = `${field} must be a valid Date, a local time such as "2026-11-21T09:00" or a text with a zone such as "2026-11-21T09:00:00Z", got ${shown(value)}`;
      throw new InvalidInputError(message, { field, mend });
    }
  }

  /** An instant for people: ISO text, with the local time beside it when the zone is not UTC. */
  show(at: Date): string {
    const iso = at.toISOString();
    if (this.#zone.id === "UTC") return iso;
    const wall = new Date(at.getTime() + this.#zone.offsetAt(at.getTime()));
    return `${iso} (${wall.toISOString().slice(0, 19).replace(/:00$/, "")} ${this.#zone.id})`;
  }
}
