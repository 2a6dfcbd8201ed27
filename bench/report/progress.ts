// The progress line: rewritten in place on a terminal, now and then a plain line elsewhere.

/** Elsewhere than on a terminal, one line in so many ms at most. */
const plainEveryMs = 5_000;

export class Progress {
  readonly #out: NodeJS.WriteStream;
  readonly #quiet: boolean;
  readonly #beganAt = performance.now();
  #saidAt = 0;
  #headline = "";

  constructor(out: NodeJS.WriteStream, quiet: boolean) {
    this.#out = out;
    this.#quiet = quiet;
  }

  /** What is being measured from now on. */
  begin(headline: string): void {
    this.#headline = headline;
    this.#saidAt = 0;
    this.say("starting", 0, 0);
  }

  say(doing: string, done: number, total: number): void {
    const now = performance.now();
    if (this.#quiet || (!this.#out.isTTY && this.#saidAt > 0 && now - this.#saidAt < plainEveryMs)) return;
    this.#saidAt = now;
    const count = total === 0 ? "" : ` ${done.toLocaleString("en")}/${total.toLocaleString("en")}`;
    const line = `${elapsed(now - this.#beganAt)}  ${this.#headline}: ${doing}${count}`;
    this.#out.write(this.#out.isTTY ? `\r\u001b[2K${line.slice(0, (this.#out.columns ?? 80) - 1)}` : `${line}\n`);
  }

  /** Takes the line away, before something else is printed. */
  clear(): void {
    if (!this.#quiet && this.#out.isTTY) this.#out.write("\r\u001b[2K");
  }
}

function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1_000);
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}
