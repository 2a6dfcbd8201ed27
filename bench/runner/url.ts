// The address that the runner gives a subject which needs a server.

/** @throws Error when there is none */
export function urlOf(url: string | undefined): string {
  if (url === undefined) throw new Error("this subject needs a server: its file must say which");
  return url;
}
