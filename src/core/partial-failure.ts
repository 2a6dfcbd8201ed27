// Some of a list could not be done while the others were. One bad item never fails its neighbours: whoever gathered the
// list from several callers gives each of them its own answer or error.
import { NotWrittenError } from "./errors.ts";

/** What became of one item. */
export type Outcome<Answer> = { readonly answer: Answer } | { readonly error: unknown };

/** As a whole it is safe to repeat: what was done is found again. */
export class PartialFailure<Answer = unknown> extends NotWrittenError {
  /** In the order of the list. */
  readonly each: readonly Outcome<Answer>[];

  constructor(each: readonly Outcome<Answer>[]) {
    const failed = each.flatMap((outcome) => ("error" in outcome ? [outcome.error] : []));
    const [first] = failed;
    super(`${failed.length} of ${each.length} could not be done: ${first instanceof Error ? first.message : first}`, {
      cause: first,
    });
    this.each = each;
  }
}

/** Every outcome's answer. @throws the only item's error, or PartialFailure when there are several items */
export function answersOf<Answer>(each: readonly Outcome<Answer>[]): Answer[] {
  const answers: Answer[] = [];
  for (const outcome of each) {
    if ("answer" in outcome) answers.push(outcome.answer);
    else throw each.length === 1 ? outcome.error : new PartialFailure(each);
  }
  return answers;
}

/** What became of each item of a call: its answers, or the errors that it threw. */
export async function outcomesOf<Answer>(
  count: number,
  call: () => Promise<readonly Answer[]>,
): Promise<readonly Outcome<Answer>[]> {
  try {
    return (await call()).map((answer) => ({ answer }));
  } catch (error) {
    return error instanceof PartialFailure ? error.each : Array.from({ length: count }, () => ({ error }));
  }
}

/** Gives whoever waits for one item what became of it. */
export function settleOne<Answer>(
  outcome: Outcome<unknown> | undefined,
  { resolve, reject }: { resolve(answer: Answer): void; reject(error: unknown): void },
): void {
  if (outcome !== undefined && "answer" in outcome) resolve(outcome.answer as Answer);
  else reject(outcome?.error);
}
