// Time that all processes of a run share: the machine's monotonic clock in ms, and its place on the wall's.

/** Readings of two clocks, one after the other: the pair that was interrupted least tells their distance. */
const readings = 20;

/** The largest of several: every delay between the two readings makes a distance smaller. */
function largest(distance: () => number): number {
  return Math.max(...Array.from({ length: readings }, distance));
}

const monotonicOfPerformance = largest(() => Number(process.hrtime.bigint()) / 1e6 - performance.now());

/** Now, in ms of the machine's monotonic clock: comparable between processes. */
export function stamp(): number {
  return performance.now() + monotonicOfPerformance;
}

/** Epoch ms of stamp 0, found at the turns of a millisecond, as Date.now() shows whole ones only. */
export function wallOfStamp(): number {
  return largest(() => {
    const before = Date.now();
    let now = before;
    while (now === before) now = Date.now();
    return now - stamp();
  });
}
