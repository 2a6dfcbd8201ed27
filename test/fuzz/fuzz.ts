// Seeds one after another, and what is said of one whose sequence shows a difference: the shortest sequence that does.
import { type Played, play } from "./sequence.ts";
import { shrink } from "./shrink.ts";
import { replay, type Subject } from "./side-by-side.ts";

/** Plays a seed; the answer is undefined when the two engines never part, else what to say of it. */
export async function fuzz(
  seed: number,
  engine: string,
  subject: Subject,
): Promise<{ readonly played: Played; readonly failure: string | undefined }> {
  const played = await play(seed, subject);
  return { played, failure: played.parting === undefined ? undefined : await describe(played, engine, subject) };
}

async function describe({ plan, calls }: Played, engine: string, subject: Subject): Promise<string> {
  const { seed, history, trims } = plan;
  const fails = async (candidate: typeof calls) => {
    const parting = await replay(subject, plan, candidate);
    return parting === undefined ? undefined : candidate.slice(0, parting.at + 1);
  };
  const shortest = await shrink(calls, fails);
  const parting = await replay(subject, plan, shortest);
  return [
    `seed ${seed}: ${engine} and memory part, with options ${JSON.stringify(history)}${trims ? ", purged after each call" : ""}, after`,
    ...shortest.map((call) => `  ${JSON.stringify(call)},`),
    ...(parting?.differs ?? ["  and no more when it is played again"]).map((one) => `  ${one}`),
    `replay: node --conditions=source scripts/proof/fuzz.ts --engine ${engine} --seed ${seed}`,
  ].join("\n");
}
