// jobs.insert: jobs without keys, all of one insert or none of them.
import { script } from "../script.ts";
import { basis, lanes, limits, signals, waiting } from "./prelude.ts";

/**
 * ARGV: now, then per insert: tenant, the most unfinished jobs the tenant may have or "", the number of jobs n, and n times
 * id, queue, priority, due ("a<instant>" or "d<delay in ms>"), detail, input. Answers now, and per insert 1, or 0 for one
 * that needs a look: an id that is stored already, or a limit.
 */
export const insertScript = script(
  "jobs.insert",
  "Stores the jobs of each insert together, in order, due at once or deferred; an insert that needs a look stores nothing.",
  basis,
  signals,
  lanes,
  limits,
  waiting,
  `
local answer = { text(now) }
local replaced = call('EXISTS', P .. 'replaced') == 1
local at = 2
-- In order: what comes behind an insert that needs a look waits for it.
local isRefused = false
while at <= #ARGV do
  local tenant, max, n = ARGV[at], tonumber(ARGV[at + 1]), tonumber(ARGV[at + 2])
  local first = at + 3
  at = first + 6 * n
  local ids = {}
  for i = 1, n do ids[i] = ARGV[first + 6 * (i - 1)] end
  local isPlain = not isRefused and call('SISMEMBER', P .. 'guarded', tenant) == 0
  if isPlain and max ~= nil then
    local pending = tenantCounts[tenant] and tenantCounts[tenant].unfinished or 0
    local unfinished = tonumber(call('HGET', P .. 't:' .. tenant, 'unfinished')) or 0
    isPlain = unfinished + pending + n <= max
  end
  if isPlain then
    local seen = {}
    local known = getMany(P .. 'ids', ids)
    for i, id in ipairs(ids) do
      if seen[id] or known[i] then isPlain = false end
      seen[id] = true
    end
    if isPlain and replaced then
      local by = getMany(P .. 'replaced', ids)
      for i = 1, n do if by[i] then isPlain = false end end
    end
  end
  if isPlain then
    local last = call('HINCRBY', P .. 'meta', 'seq', n)
    local bases, numbers, ready, deferred, queues = {}, {}, {}, {}, {}
    -- Most jobs of a call are of one queue, of one priority and due at one instant.
    local queue, lane, priority, due, dueAt, dueText, header, score
    for i = 1, n do
      local from = first + 6 * (i - 1)
      if ARGV[from + 1] ~= queue or ARGV[from + 2] ~= priority or ARGV[from + 3] ~= due then
        queue, priority, due = ARGV[from + 1], ARGV[from + 2], ARGV[from + 3]
        lane = laneOf(queue, tenant)
        dueAt = tonumber(string.sub(due, 2))
        if string.byte(due) == 97 then dueAt = math.max(dueAt, now) else dueAt = dueAt + now end
        dueText = text(dueAt)
        header = '0,p,' .. priority .. ',' .. dueText .. ',' .. answer[1] .. ',' .. lane .. ',0,-\\n'
        score = readyScore(tonumber(priority), dueAt)
        wake(queue, dueAt)
      end
      local seq = text(1000000000000 + last - n + i)
      bases[2 * i - 1] = seq
      bases[2 * i] = header .. ARGV[from + 4] .. '\\n' .. ARGV[from + 5]
      numbers[2 * i - 1] = ids[i]
      numbers[2 * i] = seq
      if dueAt <= now then
        local list = ready[lane]
        if list == nil then list = {}; ready[lane] = list; queues[#queues + 1] = { queue, lane } end
        list[#list + 1] = score
        list[#list + 1] = seq
      else
        local list = deferred[queue]
        if list == nil then list = {}; deferred[queue] = list end
        list[#list + 1] = dueText
        list[#list + 1] = seq .. ':' .. priority .. ':' .. lane
        count(lane, 'deferred', 1)
      end
      index('u', queue, tenant, seq)
    end
    callMany('HSET', P .. 'jobs', bases, 2)
    callMany('HSET', P .. 'ids', numbers, 2)
    for _, one in ipairs(queues) do addReady(one[1], one[2], ready[one[2]]) end
    for queue, list in pairs(deferred) do callMany('ZADD', P .. 'd:' .. queue, list, 2) end
    countTenant(tenant, 'unfinished', n)
    answer[#answer + 1] = 1
  else
    isRefused = true
    answer[#answer + 1] = 0
  end
end
arrangeLanes()
countAll()
send()
return answer`,
);
