// Scripts that delete finished jobs, and what else has its time: a bounded number a call, counters and indexes with them.
import { script } from "../script.ts";
import { eventTrim } from "./events.ts";
import { basis, events, finished, lanes } from "./prelude.ts";

/** `ownerOf(member)`: the tenant of a finished job's member; nothing for one that a foreign hand has left. */
const owner = `
local function ownerOf(member)
  local lane = string.match(member, '^%d+:[^:]+:(%d+)$')
  if not lane then return nil end
  local queue, tenant = nameOfLane(lane)
  return queue and tenant
end`;

/** `dropAll(list)`: of { queue, group, member } each; `isThere(queue, group, member)`: such a job is stored as finished. */
const dropping = `${owner}
local function isThere(queue, group, member)
  return ownerOf(member) and call('ZSCORE', P .. 'f:' .. queue .. ':' .. group, member)
end
local function dropAll(list)
  local sources = {}
  for _, one in ipairs(list) do
    local source = one[1] .. '\\n' .. one[2]
    if sources[source] == nil then sources[source] = { one[1], one[2], {} } end
    table.insert(sources[source][3], one[3])
  end
  for _, source in pairs(sources) do dropFinished(unpack(source)) end
  countAll()
end`;

/** ARGV: now, jobs at most. @returns how many entries were dealt with */
export const expireJobs = script(
  "jobs.expire",
  "Finished jobs that are past their own age go, so many at most.",
  basis,
  lanes,
  finished,
  dropping,
  `
local due = call('ZRANGE', P .. 'expiring', '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[2])
local list = {}
for _, entry in ipairs(due) do
  local member, lane, group = string.match(entry, '^(%d+:[^:]+:(%d+)):([ce])$')
  local queue = lane and nameOfLane(lane)
  if queue and isThere(queue, group, member) then
    list[#list + 1] = { queue, group, member }
  else
    -- A foreign hand has left it, and nothing is behind it.
    call('ZREM', P .. 'expiring', entry)
  end
end
dropAll(list)
return #due
`,
);

/** ARGV: now. */
export const countExpired = script(
  "jobs.countExpired",
  "How many finished jobs are past their own age.",
  basis,
  "return call('ZCOUNT', P .. 'expiring', '-inf', text(now))",
);

/** ARGV: now, queue, group (c or e), how many stay, jobs at most. @returns how many went */
export const trimJobs = script(
  "jobs.trim",
  "Of a queue's finished jobs of one group the oldest beyond a count go, so many at most (J10).",
  basis,
  lanes,
  finished,
  dropping,
  `
local queue, group = ARGV[2], ARGV[3]
local key = P .. 'f:' .. queue .. ':' .. group
local over = math.min(call('ZCARD', key) - tonumber(ARGV[4]), tonumber(ARGV[5]))
if over <= 0 then return 0 end
local list = {}
for _, member in ipairs(call('ZRANGE', key, 0, over - 1)) do
  if isThere(queue, group, member) then list[#list + 1] = { queue, group, member } else call('ZREM', key, member) end
end
dropAll(list)
return over
`,
);

/**
 * ARGV: now, queue, group, end and number of the job that was looked at last, the instant before which they ended, jobs at
 * most, tenant or "", states as letters. @returns the time, how many were looked at, the last one's end and number, "1" at
 * the end of the source, members of those that are named
 */
export const findFinished = script(
  "jobs.findFinished",
  "The next finished jobs of a queue's group by when they ended, and which of them an operator names.",
  basis,
  lanes,
  owner,
  `
local queue, group, before, most = ARGV[2], ARGV[3], tonumber(ARGV[6]), tonumber(ARGV[7])
local key = P .. 'f:' .. queue .. ':' .. group
local function numberOf(member) return tonumber(string.match(member or '', '^%d+')) or 0 end
-- How many stand before or at a place: those that ended at that instant are in the order of their numbers.
local function rankBehind(at, number)
  local low, high = call('ZCOUNT', key, '-inf', '(' .. at), call('ZCOUNT', key, '-inf', at)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if numberOf(call('ZRANGE', key, middle, middle)[1]) > number then high = middle else low = middle + 1 end
  end
  return low
end
local function stateOf(member)
  if group == 'c' then return 'c' end
  local number = numberOf(member) - 1000000000000
  local chunk = text(math.floor(number / 512))
  return call('SISMEMBER', P .. 'i:x:' .. chunk .. ':g', number % 512) == 1 and 'x' or 'f'
end
local function isNamed(member)
  local tenant = ownerOf(member)
  return tenant and (ARGV[8] == '' or tenant == ARGV[8]) and string.find(ARGV[9], stateOf(member), 1, true)
end
local from = rankBehind(ARGV[4], tonumber(ARGV[5]))
local some = call('ZRANGE', key, from, from + most - 1, 'WITHSCORES')
local looked, at, number, ended, named = 0, ARGV[4], ARGV[5], #some < 2 * most and '1' or '', {}
for i = 1, #some, 2 do
  if tonumber(some[i + 1]) >= before then
    ended = '1'
    break
  end
  looked, at, number = looked + 1, some[i + 1], text(numberOf(some[i]))
  if isNamed(some[i]) then named[#named + 1] = some[i] end
end
return { now, looked, at, number, ended, named }
`,
);

/** ARGV: now, age of the log, the event's parts, then queue, group, member of each job. @returns how many, or "moved" */
export const purgeFinished = script(
  "jobs.purge",
  "All the finished jobs that an operator has named go, and the log tells it, or none does.",
  basis,
  events,
  eventTrim,
  lanes,
  finished,
  dropping,
  `
local list = {}
for at = 8, #ARGV, 3 do
  local queue, group, member = ARGV[at], ARGV[at + 1], ARGV[at + 2]
  if not isThere(queue, group, member) then return 'moved' end
  list[#list + 1] = { queue, group, member }
end
dropAll(list)
if ARGV[3] ~= '' then
  append(ARGV[3], ARGV[4], ARGV[5], ARGV[6], false)
  trimEvents(1, tonumber(ARGV[2]))
end
return #list
`,
);

/** ARGV: now, keys at most. @returns how many went */
export const purgeUsedKeys = script(
  "idempotency.purge",
  "Idempotency keys whose time is over are forgotten, so many at most.",
  basis,
  `
local names = call('ZRANGE', P .. 'idempotencyEnds', '-inf', text(now), 'BYSCORE', 'LIMIT', 0, ARGV[2])
callMany('HDEL', P .. 'idempotency', names)
callMany('ZREM', P .. 'idempotencyEnds', names)
return #names
`,
);
