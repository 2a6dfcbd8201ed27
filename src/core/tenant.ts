// Tenants and the alphabet of every id a user chooses.
import { shown } from "./duration.ts";
import { InvalidInputError } from "./errors.ts";

/** Names a tenant: 1 to 128 characters of letters, digits and `. _ : @ / + -`, beginning with a letter or digit. */
export type TenantId = string;

const idShape = /^[A-Za-z0-9][A-Za-z0-9._:@/+-]{0,127}$/;

/**
 * Checks an id chosen by a user (tenant, queue, task, schedule, key, worker).
 * @throws InvalidInputError naming `field` when it is not 1 to 128 characters of the alphabet.
 */
export function checkId(value: unknown, field: string): string {
  if (typeof value === "string" && idShape.test(value)) return value;
  throw new InvalidInputError(
    `${field} must be 1 to 128 characters of A-Z a-z 0-9 . _ : @ / + - beginning with a letter or digit, got ${shown(value)}`,
    { field },
  );
}
