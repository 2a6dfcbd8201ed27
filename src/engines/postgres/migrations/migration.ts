/** One step of the schema. Its statements name everything in the schema `punctual`; another schema's name takes its place. */
export interface Migration {
  readonly id: number;
  readonly name: string;
  /** Versions that do not know this step must not touch the store. */
  readonly breaking: boolean;
  readonly sql: string;
  /**
   * What the step gives to the roles of the server, which come and go by themselves: may be run again and again, and is
   * whenever `punctual migrate` is called.
   */
  readonly roles?: string;
}
