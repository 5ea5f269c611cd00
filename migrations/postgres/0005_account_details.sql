-- What else accounts may say of themselves, and an index for what people look at.
alter table accounts add column headers text;
alter table accounts add column drain_bytes bigint;
alter table accounts add column disabled_models text;
alter table accounts add column oauth_source text;

create index ix_usage_logs_user_model on usage_logs (user_id, model_name, created_at);
