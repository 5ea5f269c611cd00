-- One step of what an upstream account gives, in Redis: ends holds, counts uses, and holds a part for one call.
--
-- KEYS  1 a hash: counters by their names ("start:amount:window"), "+NAME" what is held of a counter, "#ID" the parts of a
--         hold, "!wanted" when somebody was refused; 2 the holds by the moment at which they end themselves
-- ARGV  1 now, 2 how much longer than needed everything is kept, 3 how many holds end, and their ids; how many uses, and
--       name, amount, window of each; then for a hold: id, end, the most calls at one time ("" any), and name, limit,
--       amount of each part
-- The answer is how it went ("done", "full", "spent"), whether somebody waits for what was given back, how many calls
-- hold something, and name, counter, what is held of every counter that was touched.
local counters, holds = KEYS[1], KEYS[2]
local now, slack = tonumber(ARGV[1]), tonumber(ARGV[2])
local place, life, began, freed, touched = 2, 0, false, false, {}

local function take()
    place = place + 1
    return ARGV[place]
end
local function text(number) return string.format('%.0f', number) end
local function read(counter)
    local start, amount, window = string.match(counter or '', '^(%-?%d+):(%d+):(%d+)$')
    if start then return tonumber(start), tonumber(amount), tonumber(window) end
end
local function give_back(id)
    if redis.call('ZREM', holds, id) == 0 then return end
    for name, amount in string.gmatch(redis.call('HGET', counters, '#' .. id) or '', '(%S+)=(%d+)') do
        -- Redis takes "-0" for no number.
        if amount ~= '0' then redis.call('HINCRBY', counters, '+' .. name, '-' .. amount) end
        touched[name] = true
    end
    redis.call('HDEL', counters, '#' .. id)
    freed = true
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', holds, '-inf', text(now))) do give_back(id) end
for _ = 1, tonumber(take()) do give_back(take()) end

for _ = 1, tonumber(take()) do
    local name, more, window = take(), tonumber(take()), tonumber(take())
    local start, amount = read(redis.call('HGET', counters, name))
    if not start or amount == 0 or start + window <= now then start, amount, began = now, 0, true end
    amount = math.min(amount + more, 4503599627370496)
    redis.call('HSET', counters, name, text(start) .. ':' .. text(amount) .. ':' .. text(window))
    life = math.max(life, start + window - now)
    touched[name] = true
end
if began then
    local all = redis.call('HGETALL', counters)
    for i = 1, #all, 2 do
        local start, _, window = read(all[i + 1])
        if start and start + window + slack <= now then redis.call('HDEL', counters, all[i]) end
    end
end

local word, id = 'done', take()
if id then
    local ends_at, most, parts = take(), take(), {}
    if most ~= '' and redis.call('ZCARD', holds) >= tonumber(most) then word = 'full' end
    while place < #ARGV do
        local name, limit, amount = take(), tonumber(take()), take()
        local start, used, window = read(redis.call('HGET', counters, name))
        if not start or start + window <= now then used = 0 end
        local held = tonumber(redis.call('HGET', counters, '+' .. name) or '0')
        if word == 'done' and used + held >= limit then word = 'spent' end
        table.insert(parts, { name, amount })
        touched[name] = true
    end
    if word == 'done' then
        local written = {}
        for _, part in ipairs(parts) do
            redis.call('HINCRBY', counters, '+' .. part[1], part[2])
            table.insert(written, part[1] .. '=' .. part[2])
        end
        redis.call('HSET', counters, '#' .. id, table.concat(written, ' '))
        redis.call('ZADD', holds, ends_at, id)
        life = math.max(life, tonumber(ends_at) - now)
    else
        redis.call('HSET', counters, '!wanted', '1')
    end
end

local waited_for = freed and redis.call('HDEL', counters, '!wanted') == 1
life = text(math.max(life + slack, redis.call('PTTL', counters)))
redis.call('PEXPIRE', counters, life)
redis.call('PEXPIRE', holds, life)
local answer = { word, waited_for and '1' or '', text(redis.call('ZCARD', holds)) }
for name in pairs(touched) do
    table.insert(answer, name)
    table.insert(answer, redis.call('HGET', counters, name) or '')
    table.insert(answer, redis.call('HGET', counters, '+' .. name) or '0')
end
return answer
