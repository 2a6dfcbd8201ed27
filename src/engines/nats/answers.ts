// Waiting for the server's answers, no longer than one may come: not on a connection that is lost, and not for ever.
import type { Millis } from "../../core/clock.ts";
import type { Way } from "./connecting.ts";

/** An answer is waited for so long, in ms, before the question is put again. */
export const answerMs: Millis = 1_000;

export class Answers {
  readonly #way: Pick<Way, "answered" | "unanswered">;
  readonly #waiting = new Set<() => void>();

  constructor(way: Pick<Way, "answered" | "unanswered">) {
    this.#way = way;
  }

  /** An answer. @throws when the connection is lost, the answer takes longer than `ms`, or with what the client throws */
  async to<Answer>(asked: Promise<Answer>, ms: Millis = answerMs): Promise<Answer> {
    let timer: NodeJS.Timeout | undefined;
    let giveUp = () => {};
    const unanswered = new Promise<never>((_, reject) => {
      giveUp = () => reject(new Error("the server has not answered"));
      timer = setTimeout(giveUp, ms);
      this.#waiting.add(giveUp);
    });
    try {
      const answer = await Promise.race([asked, unanswered]);
      this.#way.answered();
      return answer;
    } catch (error) {
      this.#way.unanswered();
      throw error;
    } finally {
      clearTimeout(timer);
      this.#waiting.delete(giveUp);
    }
  }

  /** No answer comes any more to what was asked. */
  interrupt(): void {
    for (const giveUp of [...this.#waiting]) giveUp();
  }
}

export function pause(ms: Millis): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
