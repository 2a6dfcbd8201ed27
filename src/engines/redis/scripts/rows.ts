// Scripts that read jobs by name: rows as they were at one moment, a bounded number of them.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/** ARGV: now, ids. @returns the time, then number, base and overlay of each job; null for what is not there */
export const getJobs = script(
  "jobs.get",
  "Jobs by their ids, each whole and of one moment.",
  basis,
  `
local ids = {}
for at = 2, #ARGV do ids[at - 1] = ARGV[at] end
local seqs = getMany(P .. 'ids', ids)
local answer = { text(now) }
for i = 1, #ids do
  local seq = seqs[i]
  local base = seq and call('HGET', P .. 'jobs', seq)
  answer[#answer + 1] = base and seq
  answer[#answer + 1] = base
  answer[#answer + 1] = base and call('HGET', P .. 'live', seq)
end
return answer`,
);

/** Jobs that one call looks at, where it need not answer most of them. */
const lookedAtMax = 2_000;

/**
 * `addRows(seqs)` reads jobs by their numbers, a few at a time so that large ones are soon enough, and puts number, base and
 * overlay of those that have all `needles` into `rows`; it answers the index it came to. Needs `rowsMax` and `bytesMax`.
 */
export const rowReading = `
local rows, rowCount, bytes, needles = {}, 0, 0, {}
local function isWanted(base)
  for _, needle in ipairs(needles) do
    if not string.find(base, needle, 1, true) then return false end
  end
  return true
end
local looked = 0
local function isFull() return rowCount >= rowsMax or looked >= ${lookedAtMax} or bytes >= bytesMax end
local function addRows(seqs)
  local from = 1
  while from <= #seqs and not isFull() do
    local to = math.min(from + 31, #seqs, from + math.max(16, rowsMax - rowCount) - 1)
    local bases = call('HMGET', P .. 'jobs', unpack(seqs, from, to))
    local overlays = call('HMGET', P .. 'live', unpack(seqs, from, to))
    for i, base in ipairs(bases) do
      looked = looked + 1
      if base then bytes = bytes + #base end
      if base and isWanted(base) then
        rowCount = rowCount + 1
        rows[#rows + 1] = seqs[from + i - 1]
        rows[#rows + 1] = base
        rows[#rows + 1] = overlays[i]
      end
      if isFull() then return from + i - 1 end
    end
    from = to + 1
  end
  return from - 1
end`;

/** ARGV: now, rows at most, bytes at most, numbers. @returns the time, how many were read, then number, base and overlay of each */
export const readRows = script(
  "jobs.read",
  "Jobs by their numbers, as many as there is room for.",
  basis,
  "local rowsMax, bytesMax = tonumber(ARGV[2]), tonumber(ARGV[3])",
  rowReading,
  `
local seqs = {}
for at = 4, #ARGV do seqs[at - 3] = ARGV[at] end
local read = addRows(seqs)
return { text(now), read, unpack(rows) }`,
);
