-- The same tables as PostgreSQL's migration of this number.

-- Who did what to whom. Each entry is sealed together with the one before; rows are never changed or removed.
create table audit_log (
    seq integer primary key,
    at bigint not null,
    actor_kind text not null,
    actor_id integer,
    action text not null,
    target_kind text,
    target_id text,
    address text,
    request_id text,
    state_before text,
    state_after text,
    previous_hash text not null,
    hash text not null
);
create index ix_audit_log_at on audit_log (at);
create index ix_audit_log_action on audit_log (action, seq);
create index ix_audit_log_actor on audit_log (actor_id, seq);
create index ix_audit_log_target on audit_log (target_kind, target_id, seq);

create trigger audit_log_is_not_changed before update on audit_log
begin select raise(abort, 'the audit log is append-only'); end;
create trigger audit_log_is_not_removed before delete on audit_log
begin select raise(abort, 'the audit log is append-only'); end;

-- The newest entry, sealed by itself: what is cut off the end is missed.
create table audit_head (
    id integer primary key,
    seq bigint not null,
    hash text not null,
    seal text not null
);
insert into audit_head (id, seq, hash, seal) values (1, 0, '', '');
