-- What administrators tell everybody, in one language or both, for a time.
create table announcements (
    id integer primary key autoincrement,
    text_zh text,
    text_en text,
    starts_at bigint not null,
    ends_at bigint,
    created_by integer references users (id) on delete set null,
    created_at bigint not null
);
