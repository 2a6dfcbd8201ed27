/**
 * Which texts name a time zone: IANA ids only, in their canonical spelling. Offsets, Windows names and ICU's own
 * aliases are refused.
 */

import { InvalidTimeZoneError } from "../errors.ts";

/** The IANA ids without a region. Everything else without a slash is an abbreviation or an offset. */
const PLAIN_IDS = [
  "CET CST6CDT Cuba EET EST EST5EDT Egypt Eire GB GB-Eire GMT GMT+0 GMT-0 GMT0 Greenwich HST Hongkong Iceland Iran",
  "Israel Jamaica Japan Kwajalein Libya MET MST MST7MDT NZ NZ-CHAT Navajo PRC PST8PDT Poland Portugal ROC ROK Singapore",
  "Turkey UCT UTC Universal W-SU WET Zulu",
];

const REGIONS =
  "Africa America Antarctica Arctic Asia Atlantic Australia Brazil Canada Chile Etc Europe Indian Mexico Pacific US";

/** Parts of ids which are not spelled with a capital at each word's start. */
const ODD_PARTS = [
  "ACT BajaNorte BajaSur ComodRivadavia Dar_es_Salaam DeNoronha DumontDUrville EasterIsland GMT GMT0 Isle_of_Man Knox_IN",
  "LHI McMurdo NSW Port-au-Prince Port_of_Spain UCT UTC",
];

const SPELLINGS: ReadonlyMap<string, string> = byLowerCase([...PLAIN_IDS, ...ODD_PARTS, REGIONS]);
const PLAIN: ReadonlyMap<string, string> = byLowerCase(PLAIN_IDS);
const REGION: ReadonlyMap<string, string> = byLowerCase([REGIONS]);

const ID_LENGTH_MAX = 64;

/**
 * The id in its canonical spelling ("europe/london" gives "Europe/London"; links keep their name), or
 * `InvalidTimeZoneError`.
 */
export function canonicalZoneId(id: string): string {
  if (typeof id !== "string") throw refusal(String(id), "a time zone is text");
  if (id === "") throw refusal(id, "it is empty");
  if (id.length > ID_LENGTH_MAX)
    throw refusal(`${id.slice(0, ID_LENGTH_MAX)}...`, `it is longer than ${ID_LENGTH_MAX} characters`);
  const spelled = spell(id);
  if (spelled === undefined || !isKnown(spelled)) {
    throw refusal(id, /[^ -~]/.test(id) ? "it holds characters no zone has" : "it is not an IANA time zone");
  }
  return spelled;
}

function spell(id: string): string | undefined {
  if (!/^[A-Za-z0-9_+/-]+$/.test(id)) return undefined;
  const parts = id.toLowerCase().split("/");
  if (parts.length === 1) return PLAIN.get(parts[0] ?? "");
  if (parts.includes("") || !REGION.has(parts[0] ?? "")) return undefined;
  return parts.map(spellPart).join("/");
}

function spellPart(part: string): string {
  const spelling = SPELLINGS.get(part);
  if (spelling !== undefined) return spelling;
  if (/^gmt[+-]/.test(part)) return part.toUpperCase();
  return part.replace(/(^|[_-])[a-z]/g, (start) => start.toUpperCase());
}

function isKnown(id: string): boolean {
  try {
    new Intl.DateTimeFormat("en-US", { timeZone: id });
    return true;
  } catch {
    return false;
  }
}

function refusal(id: string, why: string): InvalidTimeZoneError {
  const shown = id.replace(/[^ -~]/g, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`);
  const mend = 'Write an IANA zone such as "Europe/London", "America/New_York" or "UTC".';
  return new InvalidTimeZoneError(`time zone "${shown}": ${why}`, {
    field: "timezone",
    mend,
    details: { timezone: shown },
  });
}

function byLowerCase(lists: readonly string[]): Map<string, string> {
  return new Map(lists.flatMap((list) => list.split(" ")).map((name) => [name.toLowerCase(), name]));
}
