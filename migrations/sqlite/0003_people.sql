-- A person who has a second factor is asked for it at every sign-in.
alter table users add column has_totp boolean not null default false;

-- Codes with which people may register. The code itself is known to who made it only.
create table invites (
    id integer primary key autoincrement,
    code_hash varchar(64) not null unique,
    uses_left integer not null,
    expires_at bigint,
    note varchar(200),
    created_by integer references users (id) on delete set null,
    created_at bigint not null,
    is_revoked boolean not null
);

create table invite_uses (
    invite_id bigint not null references invites (id) on delete cascade,
    user_id integer not null references users (id) on delete cascade,
    used_at bigint not null,
    primary key (invite_id, user_id)
);

-- A second factor; it counts when it was confirmed.
create table second_factors (
    user_id integer primary key references users (id) on delete cascade,
    secret text not null,
    is_confirmed boolean not null,
    created_at bigint not null
);

-- Codes for who lost the second factor, each good for one use.
create table recovery_codes (
    user_id integer not null references users (id) on delete cascade,
    code_hash varchar(64) not null,
    primary key (user_id, code_hash)
);
