// The overlay of an active job: its lease, which claims and extensions write without touching the job's base text.
import type { Millis } from "../../core/clock.ts";

export interface Overlay {
  readonly attempt: number;
  readonly token: string;
  readonly leaseUntil: Millis;
  readonly started: boolean;
  readonly claimedAt: Millis;
  readonly worker: string;
}

/** What scripts look at of an active job, beside its lease. */
export interface OverlayHead {
  readonly lane: number | string;
  /** Those of the base text without l, and x once its cancellation is asked for; "-" when there are none. */
  readonly flags: string;
  /** The state of the base text below: p for one that a claim has not rewritten, else a. */
  readonly state: "p" | "a";
}

/** `<attempt>|<token>|<leaseUntil>|<started 0/1>|<claimedAt>|<lane>|<flags>|<state of base>|<worker>` */
export function overlayText(overlay: Overlay, { lane, flags, state }: OverlayHead): string {
  const { attempt, token, leaseUntil, started, claimedAt, worker } = overlay;
  const lease = `${attempt}|${token}|${leaseUntil}|${started ? 1 : 0}|${claimedAt}`;
  return `${lease}|${lane}|${flags}|${state}|${workerText(worker)}`;
}

/** A worker's name as overlays have it: without control characters, as in JSON. */
export function workerText(worker: string): string {
  return JSON.stringify(worker).slice(1, -1);
}

/** Undefined for a damaged one. */
export function parseOverlay(text: string): Overlay | undefined {
  const parts = text.split("|");
  const [attempt, token, leaseUntil, started, claimedAt] = parts;
  if (token === undefined || parts.length < 9) return undefined;
  const numbers = { attempt: Number(attempt), leaseUntil: Number(leaseUntil), claimedAt: Number(claimedAt) };
  if (!Object.values(numbers).every(Number.isFinite)) return undefined;
  const worker = parts.slice(8).join("|");
  return { ...numbers, token, started: started === "1", worker: workerOf(worker) };
}

function workerOf(text: string): string {
  if (!text.includes("\\")) return text;
  try {
    return String(JSON.parse(`"${text}"`));
  } catch {
    return text;
  }
}
