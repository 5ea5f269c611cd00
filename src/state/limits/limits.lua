-- One step of a person's or key's limits in Redis: the algorithm of crates/pool/src/limits.rs, where it is explained.
--
-- KEYS  1 month, spent, reserved, tokens, and each call's "t:ID" and "m:ID", 2 calls by when they began, 3 running calls by when
--       they are given up
-- ARGV  1 step, 2 now, 3 length of the minute, then the step's own
local sums, calls, running = KEYS[1], KEYS[2], KEYS[3]
local step, now, minute = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])

local function text(number) return string.format('%.0f', number) end
local function sum(name) return tonumber(redis.call('HGET', sums, name) or '0') end
local function add(name, amount)
    if amount ~= 0 then redis.call('HSET', sums, name, text(sum(name) + amount)) end
end
local function forget(kind, total, id)
    local held = redis.call('HGET', sums, kind .. id)
    if held then
        redis.call('HDEL', sums, kind .. id)
        add(total, -tonumber(held))
    end
end

for _, id in ipairs(redis.call('ZRANGEBYSCORE', calls, '-inf', text(now - minute))) do
    redis.call('ZREM', calls, id)
    forget('t:', 'tokens', id)
end
for _, id in ipairs(redis.call('ZRANGEBYSCORE', running, '-inf', text(now))) do
    redis.call('ZREM', running, id)
    forget('m:', 'reserved', id)
end

if step == 'begin' then
    if redis.call('HGET', sums, 'month') ~= ARGV[4] then
        redis.call('HSET', sums, 'month', ARGV[4], 'spent', ARGV[5])
    end
elseif step == 'admit' then
    local id, tokens, money, expires_at, month = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6]), ARGV[7], ARGV[8]
    local requests, token_limit, at_once, budget =
        tonumber(ARGV[9]), tonumber(ARGV[10]), tonumber(ARGV[11]), tonumber(ARGV[12])
    if requests then
        local count = redis.call('ZCARD', calls)
        if count >= requests then
            local first = redis.call('ZRANGE', calls, count - requests, count - requests, 'WITHSCORES')
            return { 'requests', first[2] and text(tonumber(first[2]) + minute) or '' }
        end
    end
    if token_limit then
        tokens = math.min(tokens, token_limit)
        local excess = sum('tokens') + tokens - token_limit
        if excess > 0 then
            local begun = redis.call('ZRANGE', calls, 0, -1, 'WITHSCORES')
            for i = 1, #begun, 2 do
                excess = excess - sum('t:' .. begun[i])
                if excess <= 0 then return { 'tokens', text(tonumber(begun[i + 1]) + minute) } end
            end
            return { 'tokens', '' }
        end
    end
    if at_once and redis.call('ZCARD', running) >= at_once then return { 'concurrent', '' } end
    if budget then
        if redis.call('HGET', sums, 'month') ~= month then return { 'month', '' } end
        if sum('spent') + sum('reserved') + money > budget then return { 'budget', '' } end
    end
    redis.call('ZADD', calls, text(now), id)
    redis.call('HSET', sums, 't:' .. id, text(tokens))
    add('tokens', tokens)
    redis.call('ZADD', running, expires_at, id)
    redis.call('HSET', sums, 'm:' .. id, text(money))
    add('reserved', money)
elseif step == 'settle' then
    local id, tokens, money = ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
    if redis.call('HEXISTS', sums, 't:' .. id) == 1 then
        add('tokens', tokens - sum('t:' .. id))
        redis.call('HSET', sums, 't:' .. id, text(tokens))
    end
    if redis.call('ZREM', running, id) == 1 then
        forget('m:', 'reserved', id)
        add('spent', money)
    end
elseif step == 'cancel' then
    local id = ARGV[4]
    redis.call('ZREM', calls, id)
    redis.call('ZREM', running, id)
    forget('t:', 'tokens', id)
    forget('m:', 'reserved', id)
end
for _, key in ipairs(KEYS) do redis.call('PEXPIRE', key, 3456000000) end
return { 'done', '' }
