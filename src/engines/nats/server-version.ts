// Which NATS servers are new enough: 2.12 brought batches that are written all or not at all.
import { NatsServerTooOldError } from "../../core/errors.ts";

/** The oldest version whose streams take atomic batches. */
export const versionMin = "2.12";

/** @throws NatsServerTooOldError; a version that cannot be read is left to the stream's own answer */
export function checkVersion(version: string): void {
  const [, major, minor] = /^v?(\d+)\.(\d+)/.exec(version) ?? [];
  if (major === undefined || minor === undefined) return;
  const [majorMin = 0, minorMin = 0] = versionMin.split(".").map(Number);
  if (Number(major) > majorMin || (Number(major) === majorMin && Number(minor) >= minorMin)) return;
  throw tooOld(version);
}

/** Of a server, or of one of its cluster. */
export function tooOld(version: string, why = "and too old"): NatsServerTooOldError {
  return new NatsServerTooOldError(`the server is NATS ${version}, ${why}: ${versionMin} is the oldest that will do`, {
    field: "location",
    details: { version, versionMin },
  });
}
