-- What the embedded shape keeps of members' pool quotas; clustered they are in Redis.
create table pool_quotas (
    user_id integer not null references users (id) on delete cascade,
    model_group varchar(16) not null,
    version bigint not null,
    state text not null,
    primary key (user_id, model_group)
);

-- Limits of one person or key that differ from what the trust level gives; an exception ends by itself.
create table limits (
    subject_kind varchar(8) not null,
    subject_id integer not null,
    is_exception boolean not null,
    requests_per_minute bigint,
    tokens_per_minute bigint,
    concurrent_calls bigint,
    monthly_micro_usd bigint,
    until bigint,
    note varchar(200),
    updated_at bigint not null,
    primary key (subject_kind, subject_id, is_exception)
);

create index ix_usage_logs_key_created on usage_logs (api_key_id, created_at);
create index ix_usage_logs_account_created on usage_logs (account_id, created_at);
