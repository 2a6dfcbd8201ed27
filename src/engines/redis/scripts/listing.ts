// Scripts that list jobs: each goes a bounded step of the way, and answers rows as they were at one moment.
import { script } from "../script.ts";
import { basis } from "./prelude.ts";
import { rowReading } from "./rows.ts";

/**
 * ARGV: now, rows at most, bytes at most, "newest" or "oldest", the number after which it goes on or "", classes of the
 * index (u, c, f, x), a scope, another or "", then texts that the base text of every job that is wanted has. @returns the time, the number that was reached ("" at the end), then number, base
 * and overlay of each job
 */
export const listJobsScript = script(
  "jobs.list",
  "The next jobs of a tenant, a queue, or all, in the order of insertion; a bounded step of the way.",
  basis,
  "local rowsMax, bytesMax = tonumber(ARGV[2]), tonumber(ARGV[3])",
  rowReading,
  `
local isNewest, after, scopes = ARGV[4] == 'newest', tonumber(ARGV[5]), { ARGV[7], ARGV[8] ~= '' and ARGV[8] or nil }
for at = 9, #ARGV do needles[at - 8] = ARGV[at] end
local lists, ends = {}, { (isNewest and '+inf' or '-inf'), (isNewest and '-inf' or '+inf') }
if after then ends[1] = text(math.floor(after / 512)) end
for class in string.gmatch(ARGV[6], '%a') do lists[#lists + 1] = { class = class, at = 1, from = ends[1] } end
-- Chunks of the narrower scope are gone through.
local function width(scope)
  local sum = 0
  for _, list in ipairs(lists) do sum = sum + call('ZCARD', P .. 'I:' .. list.class .. ':' .. scope) end
  return sum
end
if scopes[2] and width(scopes[2]) < width(scopes[1]) then scopes = { scopes[2], scopes[1] } end
local function nextChunk(list)
  if list.at > #list and list.from then
    local key = P .. 'I:' .. list.class .. ':' .. scopes[1]
    local found
    if isNewest then
      found = call('ZRANGE', key, list.from, ends[2], 'BYSCORE', 'REV', 'LIMIT', 0, 50)
    else
      found = call('ZRANGE', key, list.from, ends[2], 'BYSCORE', 'LIMIT', 0, 50)
    end
    for i = 1, 50 do list[i] = nil end
    -- What is no chunk was left by a foreign hand.
    for _, chunk in ipairs(found) do list[#list + 1] = tonumber(chunk) end
    list.at = 1
    list.from = found[50] and #list > 0 and '(' .. text(list[#list])
  end
  return list[list.at]
end
-- The numbers of a chunk that lie beyond where the last step came to.
local function numbersOf(chunk)
  local numbers = {}
  for _, list in ipairs(lists) do
    if nextChunk(list) == chunk then
      list.at = list.at + 1
      local keys = {}
      for i, scope in ipairs(scopes) do keys[i] = P .. 'i:' .. list.class .. ':' .. text(chunk) .. ':' .. scope end
      for _, member in ipairs(call(keys[2] and 'SINTER' or 'SMEMBERS', unpack(keys))) do
        local number = chunk * 512 + member
        if after == nil or (isNewest and number < after) or (not isNewest and number > after) then
          numbers[#numbers + 1] = number
        end
      end
    end
  end
  table.sort(numbers)
  local seqs = {}
  for i, number in ipairs(numbers) do seqs[isNewest and #numbers + 1 - i or i] = text(1000000000000 + number) end
  return seqs
end
local chunks = 0
while true do
  local chunk
  for _, list in ipairs(lists) do
    local candidate = nextChunk(list)
    if candidate and (chunk == nil or (isNewest and candidate > chunk) or (not isNewest and candidate < chunk)) then chunk = candidate end
  end
  if chunk == nil then return { text(now), '', unpack(rows) } end
  local seqs = numbersOf(chunk)
  local read = addRows(seqs)
  if read < #seqs then
    local reached = read == 0 and after or tonumber(seqs[read]) - 1000000000000
    return { text(now), text(reached), unpack(rows) }
  end
  chunks = chunks + 1
  if isFull() or chunks >= 1000 then return { text(now), text(isNewest and chunk * 512 or chunk * 512 + 511), unpack(rows) } end
end`,
);

/** ARGV: now, tenant or "", queue or "". @returns numbers of active jobs, in no order */
export const activeJobs = script(
  "jobs.active",
  "The numbers of all active jobs of a tenant, a queue, or all: by the leases, which are few beside what waits.",
  basis,
  `
local tenant, queue = ARGV[2], ARGV[3]
local queues, lanes = {}, nil
if tenant ~= '' then
  lanes = {}
  for _, lane in ipairs(call('SMEMBERS', P .. 'lanesOf:' .. tenant)) do
    local of = call('HGET', P .. 'l:' .. lane, 'queue')
    if of and (queue == '' or of == queue) then
      lanes[lane] = true
      queues[#queues + 1] = of
    end
  end
elseif queue ~= '' then
  queues = { queue }
else
  queues = call('ZRANGE', P .. 'queueNames', 0, -1)
end
local answer = {}
for _, of in ipairs(queues) do
  local seqs = call('ZRANGE', P .. 'a:' .. of, 0, -1)
  local overlays = lanes and getMany(P .. 'live', seqs)
  for i, seq in ipairs(seqs) do
    local lane = overlays and overlays[i] and string.match(overlays[i], '^[^|]*|[^|]*|[^|]*|[^|]*|[^|]*|([^|]*)|')
    if lanes == nil or lanes[lane] then answer[#answer + 1] = seq end
  end
end
return answer`,
);

/**
 * ARGV: now, rows at most, bytes at most, instant and number after which it goes on ("" from the first), the least instant
 * or "", the instant before which or "", one or two sorted sets of finished jobs. @returns the time, instant and number that
 * were reached ("" at the end), then number, base, null and instant of each job
 */
export const listFinishedScript = script(
  "jobs.listFinished",
  "The next jobs by when they ended, the last first; a bounded step of the way.",
  basis,
  "local rowsMax, bytesMax = tonumber(ARGV[2]), tonumber(ARGV[3])",
  rowReading,
  `
local after, afterNumber = ARGV[4], tonumber(ARGV[5])
local function numberOf(member) return tonumber(string.sub(member, 1, 13)) - 1000000000000 end
-- How many members come before a place: those of one instant lie in the order of their numbers.
local function rankOf(key)
  if after == '' then return call('ZCARD', key) end
  local low = call('ZCOUNT', key, '-inf', '(' .. after)
  local high = low + call('ZCOUNT', key, after, after)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if numberOf(call('ZRANGE', key, middle, middle)[1]) < afterNumber then low = middle + 1 else high = middle end
  end
  return low
end
local sources = {}
for at = 8, #ARGV do
  local key = P .. ARGV[at]
  local rank, floor = rankOf(key), 0
  if ARGV[7] ~= '' then rank = math.min(rank, call('ZCOUNT', key, '-inf', '(' .. ARGV[7])) end
  if ARGV[6] ~= '' then floor = call('ZCOUNT', key, '-inf', '(' .. ARGV[6]) end
  sources[#sources + 1] = { key = key, rank = rank, floor = floor, at = 0, list = {} }
end
local function head(source)
  if source.at == 0 and source.rank > source.floor then
    local first = math.max(source.floor, source.rank - 64)
    source.list = call('ZRANGE', source.key, first, source.rank - 1, 'WITHSCORES')
    source.at = #source.list - 1
    source.rank = first
  end
  local member = source.list[source.at]
  if source.at == 0 or member == nil then return nil end
  return tonumber(source.list[source.at + 1]), numberOf(member)
end
local seqs, instants, isEnd = {}, {}, false
while #seqs < rowsMax do
  local last, lastAt, lastNumber
  for _, source in ipairs(sources) do
    local at, number = head(source)
    if at and (last == nil or at > lastAt or (at == lastAt and number > lastNumber)) then
      last, lastAt, lastNumber = source, at, number
    end
  end
  if last == nil then isEnd = true; break end
  last.at = last.at - 2
  if last.at < 0 then last.at = 0 end
  seqs[#seqs + 1] = text(1000000000000 + lastNumber)
  instants[seqs[#seqs]] = text(lastAt)
end
local read = addRows(seqs)
local answer = { text(now), '', '' }
if read < #seqs or not isEnd then
  answer[2] = instants[seqs[read]]
  answer[3] = text(tonumber(seqs[read]) - 1000000000000)
end
for i = 1, #rows, 3 do
  answer[#answer + 1] = rows[i]
  answer[#answer + 1] = rows[i + 1]
  answer[#answer + 1] = false
  answer[#answer + 1] = instants[rows[i]]
end
return answer`,
);
