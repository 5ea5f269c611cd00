-- Who did what to whom. Each entry is sealed together with the one before; rows are never changed or removed.
create table audit_log (
    seq bigint primary key,
    at timestamptz not null,
    actor_kind varchar(20) not null,
    actor_id integer,
    action varchar(60) not null,
    target_kind varchar(20),
    target_id varchar(100),
    address varchar(64),
    request_id varchar(64),
    state_before text,
    state_after text,
    previous_hash varchar(64) not null,
    hash varchar(64) not null
);
create index ix_audit_log_at on audit_log (at);
create index ix_audit_log_action on audit_log (action, seq);
create index ix_audit_log_actor on audit_log (actor_id, seq);
create index ix_audit_log_target on audit_log (target_kind, target_id, seq);

create function audit_log_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'the audit log is append-only';
end
$$;
create trigger audit_log_is_not_changed before update or delete on audit_log
    for each row execute function audit_log_is_append_only();
create trigger audit_log_is_not_emptied before truncate on audit_log
    for each statement execute function audit_log_is_append_only();

-- The newest entry, sealed by itself: what is cut off the end is missed.
create table audit_head (
    id integer primary key,
    seq bigint not null,
    hash varchar(64) not null,
    seal varchar(64) not null
);
insert into audit_head (id, seq, hash, seal) values (1, 0, '', '');
