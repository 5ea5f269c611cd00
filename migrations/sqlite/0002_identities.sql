-- The same table as PostgreSQL's migration of this number.
create table user_identities (
    id integer primary key autoincrement,
    user_id integer not null references users (id) on delete cascade,
    provider text not null,
    subject text not null,
    username text,
    access_token text,
    refresh_token text,
    silenced_there boolean not null,
    linked_at bigint not null,
    last_used_at bigint
);
create unique index ix_user_identities_subject on user_identities (provider, subject);
create unique index ix_user_identities_user on user_identities (user_id, provider);
