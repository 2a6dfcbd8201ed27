// The end of a command that has done its work and found something that a script must notice.

/** Thrown once all has been printed: only the exit code is left to give. */
export class UnwellExit extends Error {
  readonly exitCode = 1;
}
