// The steps of a store's schema, as every engine that has them tells of them.
import type { Millis } from "./clock.ts";

/** One step. */
export interface MigrationStep {
  readonly id: number;
  readonly name: string;
  /** Versions of Punctual that do not know this step refuse the store once it is applied. */
  readonly breaking: boolean;
  /** What it does, in the store's own language. */
  readonly sql: string;
  /** Absent: still to be applied. */
  readonly appliedAt?: Millis | undefined;
}

/** A place where the store is not what its applied steps have made. */
export interface SchemaDrift {
  readonly table: string;
  /** Absent when it is the table itself. */
  readonly column?: string | undefined;
  /** The whole of it in a sentence that names both. */
  readonly what: string;
}

/** Where a store's schema stands. */
export interface SchemaState {
  /** Every step that this version knows, in order; none where an engine has no schema. */
  readonly steps: readonly MigrationStep[];
  /** Applied steps that only a newer version knows. */
  readonly unknown: readonly Pick<MigrationStep, "id" | "name" | "breaking">[];
  readonly drift: readonly SchemaDrift[];
  /** Why nobody could look for drift; absent when it was looked for. */
  readonly unchecked?: string | undefined;
}
