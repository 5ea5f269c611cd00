-- Accepts an empty database and an AntiHub database at its newest revision (`add_config_type`): only adds.

create table if not exists users (
    id serial primary key,
    username varchar(255) not null,
    password_hash varchar(255),
    oauth_id varchar(255),
    avatar_url varchar(512),
    trust_level integer not null,
    is_active boolean not null,
    is_silenced boolean not null,
    beta integer not null default 0,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_login_at timestamptz
);
create index if not exists ix_users_username on users (username);
create index if not exists ix_users_oauth_id on users (oauth_id);
alter table users add column if not exists role varchar(20) not null default 'member';
alter table users add column if not exists token_generation bigint not null default 0;
alter table users add column if not exists prefer_shared integer not null default 0;

-- A name belongs to one person. AntiHub's own table allows duplicates, so the claim lives beside it.
create table if not exists usernames (
    name varchar(255) primary key,
    user_id integer not null references users (id) on delete cascade
);
insert into usernames (name, user_id)
select lower(username), min(id) from users group by lower(username)
on conflict (name) do nothing;

create table if not exists oauth_tokens (
    id serial primary key,
    user_id integer not null unique references users (id) on delete cascade,
    access_token text not null,
    refresh_token text,
    token_type varchar(50) not null,
    expires_at timestamptz not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now()
);

create table if not exists plugin_api_keys (
    id serial primary key,
    user_id integer not null references users (id) on delete cascade,
    api_key text not null,
    plugin_user_id varchar(255),
    is_active boolean not null,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    last_used_at timestamptz
);
create unique index if not exists ix_plugin_api_keys_user_id on plugin_api_keys (user_id);

create table if not exists api_keys (
    id serial primary key,
    user_id integer not null references users (id) on delete cascade,
    key varchar(128) not null,
    name varchar(100),
    config_type varchar(50) not null default 'antigravity',
    is_active boolean not null,
    created_at timestamptz not null default now(),
    last_used_at timestamptz,
    expires_at timestamptz
);
create unique index if not exists ix_api_keys_key on api_keys (key);
create index if not exists ix_api_keys_id on api_keys (id);
create index if not exists ix_api_keys_user_id on api_keys (user_id);
alter table api_keys add column if not exists key_hash varchar(64);
alter table api_keys add column if not exists key_encrypted text;
alter table api_keys add column if not exists key_preview varchar(16);
alter table api_keys add column if not exists description varchar(500);
alter table api_keys add column if not exists allowed_models text;
alter table api_keys add column if not exists requests_per_minute bigint;
create unique index if not exists ix_api_keys_key_hash on api_keys (key_hash);

-- `id` is 64 bits wide in a new database and stays as it is in AntiHub's; statements read it with a cast.
create table if not exists usage_logs (
    id bigserial primary key,
    user_id integer not null references users (id) on delete cascade,
    api_key_id integer references api_keys (id) on delete set null,
    endpoint varchar(255) not null,
    method varchar(10) not null,
    model_name varchar(100),
    quota_consumed double precision not null,
    created_at timestamptz not null default now()
);
create index if not exists ix_usage_logs_id on usage_logs (id);
create index if not exists ix_usage_logs_user_id on usage_logs (user_id);
create index if not exists ix_usage_logs_created_at on usage_logs (created_at);
alter table usage_logs add column if not exists record_id varchar(36);
alter table usage_logs add column if not exists request_id varchar(64);
alter table usage_logs add column if not exists account_id varchar(64);
alter table usage_logs add column if not exists is_shared boolean;
alter table usage_logs add column if not exists upstream_model varchar(200);
alter table usage_logs add column if not exists stream boolean;
alter table usage_logs add column if not exists status_code integer;
alter table usage_logs add column if not exists outcome varchar(20);
alter table usage_logs add column if not exists input_tokens bigint;
alter table usage_logs add column if not exists output_tokens bigint;
alter table usage_logs add column if not exists cached_tokens bigint;
alter table usage_logs add column if not exists reasoning_tokens bigint;
alter table usage_logs add column if not exists tokens_estimated boolean;
alter table usage_logs add column if not exists cost_micro_usd bigint;
alter table usage_logs add column if not exists quota_millionths bigint;
alter table usage_logs add column if not exists latency_ms bigint;
alter table usage_logs add column if not exists ttft_ms bigint;
alter table usage_logs add column if not exists attempts integer;
alter table usage_logs add column if not exists error_code varchar(100);
alter table usage_logs add column if not exists day bigint;
create unique index if not exists ix_usage_logs_record_id on usage_logs (record_id);
create index if not exists ix_usage_logs_user_created on usage_logs (user_id, created_at);

-- Upstream accounts that members added; `id` is `cookie_id` on the wire.
create table if not exists accounts (
    id varchar(64) primary key,
    user_id integer not null references users (id) on delete cascade,
    name varchar(100) not null,
    provider varchar(20) not null,
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
    created_at timestamptz not null,
    updated_at timestamptz not null,
    last_used_at timestamptz
);
create index if not exists ix_accounts_user_id on accounts (user_id);

-- What the embedded shape keeps instead of Redis: sessions, throttles, one-time states.
create table if not exists state_entries (
    name varchar(255) primary key,
    value text not null,
    expires_at timestamptz not null
);

-- One counter that every change of people, keys or accounts moves, so that a running server without Redis notices
-- what the command line changed.
create table if not exists change_counter (
    id integer primary key,
    value bigint not null
);
insert into change_counter (id, value) values (1, 0) on conflict (id) do nothing;
