// Scripts that list schedules: `schedules` holds `<rev>|<JSON>` by `<tenant>\n<id>`, `scheduleNames` the order of these.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";

/**
 * ARGV: now, where to begin as ZRANGE BYLEX has it, tenant or "", beginning of the ids, names at most, then of each condition
 * the member's name in the JSON and the whole member. @returns where to go on (or nothing at the end), names and texts
 */
export const listSchedules = script(
  "schedules.list",
  "The next schedules by tenant and id that may pass the filter; what begins otherwise is jumped over.",
  basis,
  `
local tenant, begin, most = ARGV[3], ARGV[4], tonumber(ARGV[5])
local from = ARGV[2]
local beyond = tenant == '' and '+' or '(' .. tenant .. '\\n' .. begin .. '\\255'
local function next(count) return call('ZRANGE', P .. 'scheduleNames', from, beyond, 'BYLEX', 'LIMIT', 0, count) end
-- A member that says something else cannot pass; a text of another make is left to the reader.
local function mayPass(stored)
  for at = 6, #ARGV, 2 do
    if string.find(stored, ARGV[at], 1, true) and not string.find(stored, ARGV[at + 1], 1, true) then return false end
  end
  return true
end
local names, texts = {}, {}
local function take(some)
  for at, stored in ipairs(#some > 0 and getMany(P .. 'schedules', some) or {}) do
    if stored and mayPass(stored) then
      names[#names + 1] = some[at]
      texts[#texts + 1] = stored
    end
  end
end
if tenant ~= '' or begin == '' then
  local some = next(most)
  take(some)
  return { #some == most and '(' .. some[most] or false, names, texts }
end
-- Of every tenant those that begin so: from one tenant's range to the next one's.
local looked = 0
while looked < most do
  local first = next(1)[1]
  if not first then return { false, names, texts } end
  local owner = string.match(first, '^([^\\n]*)\\n')
  local some = {}
  if not owner then
    from = '(' .. first
  else
    local range = owner .. '\\n' .. begin
    if #call('ZRANGE', P .. 'scheduleNames', from, '(' .. range, 'BYLEX', 'LIMIT', 0, 1) > 0 then from = '[' .. range end
    some = call('ZRANGE', P .. 'scheduleNames', from, '(' .. range .. '\\255', 'BYLEX', 'LIMIT', 0, most - looked)
    take(some)
    from = #some == most - looked and '(' .. some[#some] or '[' .. owner .. '\\11'
  end
  looked = looked + #some + 5
end
return { from, names, texts }
`,
);

/** ARGV: now, schedules at most. @returns names and texts */
export const listDueSchedules = script(
  "inspection.dueSchedules",
  "Schedules whose next tick has come, the longest overdue first.",
  basis,
  `
local names = call('ZRANGE', P .. 'due', '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[2])
return { names, getMany(P .. 'schedules', names) }
`,
);
