-- The same tables as PostgreSQL's migration of this number. A moment is a bigint of microseconds (src/clock.rs).

create table users (
    id integer primary key autoincrement,
    username text not null,
    password_hash text,
    oauth_id text,
    avatar_url text,
    trust_level integer not null,
    is_active boolean not null,
    is_silenced boolean not null,
    beta integer not null default 0,
    created_at bigint not null,
    updated_at bigint not null,
    last_login_at bigint,
    role text not null default 'member',
    token_generation bigint not null default 0,
    prefer_shared integer not null default 0
);
create index ix_users_username on users (username);
create index ix_users_oauth_id on users (oauth_id);

-- A name belongs to one person, whatever its capitals.
create table usernames (
    name text primary key,
    user_id integer not null references users (id) on delete cascade
);

create table oauth_tokens (
    id integer primary key autoincrement,
    user_id integer not null unique references users (id) on delete cascade,
    access_token text not null,
    refresh_token text,
    token_type text not null,
    expires_at bigint not null,
    created_at bigint not null,
    updated_at bigint not null
);

create table plugin_api_keys (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    api_key text not null,
    plugin_user_id text,
    is_active boolean not null,
    created_at bigint not null,
    updated_at bigint not null,
    last_used_at bigint
);
create unique index ix_plugin_api_keys_user_id on plugin_api_keys (user_id);

create table api_keys (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    key text not null,
    name text,
    config_type text not null default 'antigravity',
    is_active boolean not null,
    created_at bigint not null,
    last_used_at bigint,
    expires_at bigint,
    key_hash text,
    key_encrypted text,
    key_preview text,
    description text,
    allowed_models text,
    requests_per_minute bigint
);
create unique index ix_api_keys_key on api_keys (key);
create index ix_api_keys_id on api_keys (id);
create index ix_api_keys_user_id on api_keys (user_id);
create unique index ix_api_keys_key_hash on api_keys (key_hash);

create table usage_logs (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    api_key_id integer references api_keys (id) on delete set null,
    endpoint text not null,
    method text not null,
    model_name text,
    quota_consumed double precision not null,
    created_at bigint not null,
    record_id text,
    request_id text,
    account_id text,
    is_shared boolean,
    upstream_model text,
    stream boolean,
    status_code integer,
    outcome text,
    input_tokens bigint,
    output_tokens bigint,
    cached_tokens bigint,
    reasoning_tokens bigint,
    tokens_estimated boolean,
    cost_micro_usd bigint,
    quota_millionths bigint,
    latency_ms bigint,
    ttft_ms bigint,
    attempts integer,
    error_code text,
    day bigint
);
create index ix_usage_logs_id on usage_logs (id);
create index ix_usage_logs_user_id on usage_logs (user_id);
create index ix_usage_logs_created_at on usage_logs (created_at);
create unique index ix_usage_logs_record_id on usage_logs (record_id);
create index ix_usage_logs_user_created on usage_logs (user_id, created_at);

-- Upstream accounts that members added; `id` is `cookie_id` on the wire.
create table accounts (
    id text primary key,
    user_id integer not null references users (id) on delete cascade,
    name text not null,
    provider text not null,
    base_url text,
    credential text not null,
    proxy text,
    is_shared boolean not null,
    is_enabled boolean not null,
    models text,
    aliases text,
    allowances text,
    priority integer not null,
    weight integer not null,
    max_concurrency integer,
    created_at bigint not null,
    updated_at bigint not null,
    last_used_at bigint
);
create index ix_accounts_user_id on accounts (user_id);

-- What the embedded shape keeps instead of Redis: sessions, throttles, one-time states.
create table state_entries (
    name text primary key,
    value text not null,
    expires_at bigint not null
);

-- One counter that every change of people, keys or accounts moves, so that a running server without Redis notices
-- what the command line changed.
create table change_counter (
    id integer primary key,
    value bigint not null
);
insert into change_counter (id, value) values (1, 0);
