// What a step has looked at, as its commit compares it with what is stored then.

/** Something that a commit compares with what is stored then; see scripts/commit.ts. */
export type Check =
  | readonly [kind: "is", key: string, field: string, text: string]
  /** Stored texts begin with their revision; "" for what is not stored. */
  | readonly [kind: "begins", key: string, field: string, revision: string]
  | readonly [kind: "exists", key: string, field: string, exists: 0 | 1]
  | readonly [kind: "counts" | "leaves", key: string, count: number]
  /** A count that a limit holds is not above what was read, or leaves the room that the step takes. */
  | readonly [kind: "room", tenant: string, field: string, by: number, max: number, read: number];

/** Stored as it was read: by its revision, and by all that can be told of a text that a foreign hand has damaged. */
export function asRead(key: string, field: string, text: string | null): Check {
  const revision = /^\d+[|,]/.exec(text ?? "")?.[0];
  return revision === undefined ? comparable(["is", key, field, text ?? ""]) : ["begins", key, field, revision];
}

/** Bytes of a foreign hand that are no text do not come back as they were: what stands before them is compared. */
export function comparable(check: Check): Check {
  const [kind, key, field, text] = check;
  if (kind !== "is" || !text.includes("\ufffd")) return check;
  const [known = ""] = text.split("\ufffd", 1);
  return known === "" ? ["exists", key, field, 1] : ["begins", key, field, known];
}
