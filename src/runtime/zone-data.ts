// The version of the time zone data that this process computes ticks with.

/** Such as "2026c", from the runtime; undefined where it does not say. */
export function ownZoneData(): string | undefined {
  const { tz } = process.versions as { readonly tz?: string };
  return tz;
}
