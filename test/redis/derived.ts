// What a deployment's keys must hold, gathered from what they are derived of; and where they hold something else.
import type { Contents } from "./deployment-contents.ts";

export class Derived {
  readonly #expected = new Map<string, Map<string, string>>();
  readonly #own = new Set<string>();
  readonly #faults: string[] = [];

  /** A key holds a field or member, with its value or score. */
  put(key: string, name: string, value: string | number = ""): void {
    const of = this.#expected.get(key) ?? new Map<string, string>();
    if (of.has(name)) this.fault(`${shown(key)}: ${shown(name)} twice: ${of.get(name)} and ${value}`);
    this.#expected.set(key, of.set(name, `${value}`));
  }

  /** Counts in a field. */
  count(key: string, name: string, by = 1): void {
    const of = this.#expected.get(key) ?? new Map<string, string>();
    this.#expected.set(key, of.set(name, `${Number(of.get(name) ?? 0) + by}`));
  }

  /** A key is there that follows from nothing, or has been looked at otherwise. */
  own(key: string): void {
    this.#own.add(key);
  }

  fault(what: string): void {
    this.#faults.push(what);
  }

  /** Fails unless something holds. */
  expect(holds: boolean, what: string): void {
    if (!holds) this.fault(what);
  }

  /** Where the keys differ from all that was put. @param partly keys of which only the fields that were put are compared */
  faults(actual: ReadonlyMap<string, Contents>, partly: (key: string) => boolean): readonly string[] {
    const found = [...this.#faults];
    const nothing: Contents = new Map();
    for (const key of new Set([...actual.keys(), ...this.#expected.keys()])) {
      if (this.#own.has(key)) continue;
      const [is, should] = [actual.get(key) ?? nothing, this.#expected.get(key) ?? nothing];
      if (partly(key)) {
        for (const [name, value] of should) {
          if (!isSame(is.get(name) ?? "0", value)) found.push(difference(key, name, is.get(name), value));
        }
        continue;
      }
      for (const name of new Set([...is.keys(), ...should.keys()])) {
        const [here, there] = [is.get(name), should.get(name)];
        if (here === undefined || there === undefined || !isSame(here, there)) {
          found.push(difference(key, name, here, there));
        }
      }
    }
    return found;
  }
}

/** Scores are numbers, which a server may write otherwise. */
function isSame(a: string, b: string): boolean {
  return a === b || (a !== "" && b !== "" && Number(a) === Number(b));
}

function difference(key: string, name: string, is: string | undefined, should: string | undefined): string {
  return `${shown(key)} ${shown(name)}: is ${shown(is)}, should be ${shown(should)}`;
}

function shown(text: string | undefined): string {
  return text === undefined ? "absent" : JSON.stringify(text.slice(0, 300));
}
