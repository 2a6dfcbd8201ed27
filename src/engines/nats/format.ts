// The journal's format: numbered steps, of which each message names the newest that its writer has applied. Versions that
// do not know a breaking one refuse the store from then on (O3).
import type { Millis } from "../../core/clock.ts";
import { StoreCorruptError, StoreTooNewError } from "../../core/errors.ts";
import type { MigrationStep, SchemaState } from "../../core/schema.ts";

/** Every step there is, in order. */
const steps: readonly MigrationStep[] = [
  { id: 1, name: "initial", breaking: true, sql: "An empty journal: its messages come with what is written." },
];

/** The newest step that this version knows, and the newest breaking one. */
const formatKnown = Math.max(...steps.map(({ id }) => id));
const epochKnown = Math.max(...steps.filter(({ breaking }) => breaking).map(({ id }) => id));

/** What a journal says of its format: `<newest step> <newest breaking step> <when the newest was applied>`. */
export interface Format {
  readonly newest: number;
  readonly epoch: number;
  readonly appliedAt: Millis;
}

/** The format that this version writes. */
export function ownFormat(appliedAt: Millis): Format {
  return { newest: formatKnown, epoch: epochKnown, appliedAt };
}

export function formatText({ newest, epoch, appliedAt }: Format): string {
  return `${newest} ${epoch} ${appliedAt}`;
}

/** @throws StoreCorruptError for a message that is not ours, StoreTooNewError for one of a version that this one must not follow */
export function readFormat(text: string | undefined): Format {
  const [, newest, epoch, appliedAt] = /^(\d+) (\d+) (\d+)$/.exec(text ?? "") ?? [];
  if (newest === undefined) {
    throw new StoreCorruptError("the journal holds a message that is not Punctual's", {
      mend: "Something else writes to its subject: give the store a prefix of its own: nats(url, { prefix }).",
    });
  }
  const format = { newest: Number(newest), epoch: Number(epoch), appliedAt: Number(appliedAt) };
  if (format.epoch > epochKnown) {
    throw new StoreTooNewError("the store was changed by a newer version of Punctual, which older ones must not touch");
  }
  return format;
}

/** Where a journal's format stands; without one nothing is applied. */
export function formatState(format: Format | undefined): SchemaState {
  const newest = format?.newest ?? 0;
  return {
    steps: steps.map((step) => (step.id <= newest ? { ...step, appliedAt: format?.appliedAt } : step)),
    unknown: Array.from({ length: Math.max(0, newest - formatKnown) }, (_, index) => {
      const id = formatKnown + 1 + index;
      return { id, name: `step ${id}`, breaking: id <= (format?.epoch ?? 0) };
    }),
    drift: [],
  };
}

/** The steps that a journal of a format lacks. */
export function missingFrom(format: Format | undefined): readonly MigrationStep[] {
  return steps.filter(({ id }) => id > (format?.newest ?? 0));
}
