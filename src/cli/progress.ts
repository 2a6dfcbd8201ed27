// How far a long command has come: one line that is drawn anew on a terminal, else a line every so often.
import type { GlobalOptions } from "./options.ts";

/** A terminal is drawn to at most so often, in ms; elsewhere a line comes this seldom. */
const drawEveryMs = 100;
const lineEveryMs = 5_000;
const barWidth = 30;

/** Shows progress on stderr, apart from what the command prints; nothing with `--json`. */
export class ProgressBar {
  readonly #shown: boolean;
  readonly #isTerminal = process.stderr.isTTY;
  #drawnAt = 0;
  #isDrawn = false;
  #stage = "";
  /** The last that was said and not shown. */
  #left: string | undefined;

  constructor({ json }: GlobalOptions) {
    this.#shown = json !== true;
  }

  /** `stage` is what is being done: the first word of another stage is always shown. */
  show(stage: string, done: number, expected: number, what: string): void {
    if (!this.#shown) return;
    const now = performance.now();
    const isNew = stage !== this.#stage;
    if (isNew) this.#showLeft();
    this.#stage = stage;
    const share = expected === 0 ? 1 : Math.min(1, done / expected);
    const percent = `${Math.floor(share * 100)}%`.padStart(4);
    const counts = `${done.toLocaleString("en")} of ${expected.toLocaleString("en")}`;
    const line = `${stage} ${percent}  ${counts}  ${what}`;
    if (!isNew && now - this.#drawnAt < (this.#isTerminal ? drawEveryMs : lineEveryMs)) {
      this.#left = line;
      return;
    }
    this.#drawnAt = now;
    this.#left = undefined;
    if (!this.#isTerminal) {
      console.error(line);
      return;
    }
    const full = Math.round(share * barWidth);
    const bar = "█".repeat(full) + "░".repeat(barWidth - full);
    process.stderr.write(`\r\u001b[2K${stage}  ${bar}${percent}  ${counts}  ${what}`);
    this.#isDrawn = true;
  }

  /** Clears the line; elsewhere the last count is told. */
  end(): void {
    this.#showLeft();
    if (this.#isDrawn) process.stderr.write("\r\u001b[2K");
    this.#isDrawn = false;
  }

  /** A stage must not seem to have stopped where a line was last due. */
  #showLeft(): void {
    if (this.#left !== undefined && !this.#isTerminal) console.error(this.#left);
    this.#left = undefined;
  }
}
