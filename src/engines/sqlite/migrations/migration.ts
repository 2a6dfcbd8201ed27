/** One step of the schema. */
export interface Migration {
  readonly id: number;
  readonly name: string;
  /** Versions that do not know this step must not touch the store. */
  readonly breaking: boolean;
  readonly sql: string;
}
