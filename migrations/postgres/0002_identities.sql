-- Who a person is at sign-in providers. `provider` is `linuxdo`, `github`, or the issuer of an OpenID Connect provider, so
-- that renaming one in the settings changes nobody's identity. AntiHub's `users.oauth_id` stays and is still written.
create table user_identities (
    id serial primary key,
    user_id integer not null references users (id) on delete cascade,
    provider varchar(255) not null,
    subject varchar(255) not null,
    username varchar(255),
    -- Fernet tokens.
    access_token text,
    refresh_token text,
    -- The person is silenced because the provider says so; what it said it may take back.
    silenced_there boolean not null,
    linked_at timestamptz not null,
    last_used_at timestamptz
);
create unique index ix_user_identities_subject on user_identities (provider, subject);
create unique index ix_user_identities_user on user_identities (user_id, provider);
