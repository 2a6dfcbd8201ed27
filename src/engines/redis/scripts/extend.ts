// jobs.extend: leases from now on, of attempts that report nothing else.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/**
 * ARGV: now, the lease in ms, then per extension: the job's number or "", id, queue, token, attempt, 1 when the handler has been
 * called. Answers per extension h (held), c (cancelling) or l (lost).
 */
export const extendScript = script(
  "jobs.extend",
  "Lengthens each lease that is still the caller's; a stale one changes nothing (J3).",
  basis,
  `
local leaseMs = tonumber(ARGV[2])
local untilText = text(now + leaseMs)
local n = (#ARGV - 2) / 6
local answer, seqs = {}, {}
for i = 1, n do
  local from = 3 + 6 * (i - 1)
  seqs[i] = ARGV[from]
  if seqs[i] == '' then seqs[i] = call('HGET', P .. 'ids', ARGV[from + 1]) or '' end
end
local overlays = getMany(P .. 'live', seqs)
-- A server whose memory is full refuses a script at its first write, unless that one frees some: leases go on.
call('HDEL', P .. 'live', '')
local written = {}
for i = 1, n do
  local from = 3 + 6 * (i - 1)
  local overlay = written[seqs[i]] or overlays[i]
  local attempt, token, started, claimedAt, lane, flags, rest
  if overlay then
    attempt, token, started, claimedAt, lane, flags, rest = string.match(overlay, '^([^|]*)|([^|]*)|[^|]*|([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
  end
  if attempt == ARGV[from + 4] and token == ARGV[from + 3] then
    if ARGV[from + 5] == '1' then started = '1' end
    local after = table.concat({ attempt, token, untilText, started, claimedAt, lane, flags, rest }, '|')
    written[seqs[i]] = after
    call('HSET', P .. 'live', seqs[i], after)
    call('ZADD', P .. 'a:' .. ARGV[from + 2], 'XX', untilText, seqs[i])
    answer[i] = string.find(flags, 'x', 1, true) and 'c' or 'h'
  else
    answer[i] = 'l'
  end
end
return answer`,
);
