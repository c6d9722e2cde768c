-- Starts a feed's log anew at a position; the deltas after it are appended next.
-- KEYS 1 log (stream), 2 head (hash)
-- ARGV 1 epoch, 2 seq the log starts after, 3 chain at that seq, 4 oldest seq that will be replayable, 5 head seq that
--      the caller saw in the same epoch ("" when it saw none, or an older epoch)
-- Answers {code, head epoch, head seq}: 1 done, -2 fenced (newer epoch), -6 the head is not what the caller saw.
-- The head then names no snapshot: one is stored, and named, once the log is filled.
-- Inside one epoch a reset is a compare-and-set, so a publisher that acts on an old view cannot undo a refill.
local head = redis.call('HMGET', KEYS[2], 'e', 's')
if head[1] then
  local head_epoch, head_seq = tonumber(head[1]), tonumber(head[2])
  if tonumber(ARGV[1]) < head_epoch then
    return {-2, head_epoch, head_seq}
  end
  if tonumber(ARGV[1]) == head_epoch and ARGV[5] ~= head[2] then
    return {-6, head_epoch, head_seq}
  end
end
redis.call('DEL', KEYS[1], KEYS[2])
redis.call('HSET', KEYS[2], 'e', ARGV[1], 's', ARGV[2], 'c', ARGV[3], 'min', ARGV[4])
return {1, tonumber(ARGV[1]), tonumber(ARGV[2])}
