// SIGINT and SIGTERM: the first asks to stop, a second one ends the process at once.

type StopSignal = "SIGINT" | "SIGTERM";

/** 128 + the signal's number, as a shell tells it. */
const exitCodes: Readonly<Record<StopSignal, number>> = { SIGINT: 130, SIGTERM: 143 };

/** npm passes Ctrl-C on to a process that the terminal has told already: within this, in ms, both are one. */
const sameKeyMs = 300;

/** Listens from now on; resolves with the first signal. */
export function stopSignal(): Promise<StopSignal> {
  return new Promise((resolve) => {
    let firstAt: number | undefined;
    const onSignal = (signal: StopSignal) => {
      const now = performance.now();
      if (firstAt === undefined) {
        firstAt = now;
        resolve(signal);
      } else if (now - firstAt > sameKeyMs) process.exit(exitCodes[signal]);
    };
    process.on("SIGINT", () => onSignal("SIGINT"));
    process.on("SIGTERM", () => onSignal("SIGTERM"));
  });
}
