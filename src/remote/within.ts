// Waits with an end: what hangs must hang nobody.

/**
 * Whether something has come to its end within so many ms; a failure is an end too.
 * @param background the wait keeps no process alive
 */
export async function within(work: Promise<unknown>, ms: number, background = false): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
    if (background) timer.unref();
  });
  const ended = work.then(
    () => true,
    () => true,
  );
  try {
    return await Promise.race([ended, late]);
  } finally {
    clearTimeout(timer);
  }
}
