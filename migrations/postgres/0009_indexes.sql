-- Every index is paid for by each call that is recorded, so each says what it is for.

-- Pages of a person's calls, exports, daily sums, what was spent (the cost is read from the index).
drop index if exists ix_usage_logs_user_created;
create index ix_usage_logs_user_page on usage_logs (user_id, created_at, id) include (cost_micro_usd);
-- The same of one key.
drop index ix_usage_logs_key_created;
create index ix_usage_logs_key_page on usage_logs (api_key_id, created_at, id) include (cost_micro_usd);
-- Pages and sums of a person's calls of one model.
drop index ix_usage_logs_user_model;
create index ix_usage_logs_model_page on usage_logs (user_id, model_name, created_at, id);
-- `ix_usage_logs_account_created` stays: when an account last served, and how much since a moment.
-- `ix_usage_logs_record_id` stays: a call is recorded once.

-- No statement uses `ix_usage_logs_id`, `ix_usage_logs_user_id`, `ix_usage_logs_created_at` and `ix_api_keys_id`, but they are
-- AntiHub's, whose tables are only added to.

-- The others stay. `users`: by name and by AntiHub's identity at sign-in. `api_keys`: unique keys and hashes, the keys of a
-- person. `accounts`: those of a person. `user_identities`: by subject, of a person. `audit_log`: by time, deed, actor and
-- target. `plugin_api_keys`: the one of a person.
