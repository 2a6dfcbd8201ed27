SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
CREATE SCHEMA punctual;
ALTER SCHEMA punctual OWNER TO postgres;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE punctual.claims (
    ends_at bigint NOT NULL,
    queue text NOT NULL COLLATE pg_catalog."C",
    tenant text NOT NULL COLLATE pg_catalog."C",
    token text NOT NULL COLLATE pg_catalog."C",
    jobs bigint[] NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.claims ALTER COLUMN jobs SET STORAGE EXTERNAL;
ALTER TABLE ONLY punctual.claims REPLICA IDENTITY FULL;
ALTER TABLE ONLY punctual.claims FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.claims OWNER TO postgres;
CREATE TABLE punctual.events (
    arrival bigint NOT NULL,
    id bigint,
    at bigint NOT NULL,
    job uuid,
    type text NOT NULL COLLATE pg_catalog."C",
    tenant text NOT NULL COLLATE pg_catalog."C",
    schedule text COLLATE pg_catalog."C",
    queue text COLLATE pg_catalog."C",
    actor text COLLATE pg_catalog."C",
    data text
)
WITH (fillfactor='90', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.events FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.events OWNER TO postgres;
ALTER TABLE punctual.events ALTER COLUMN arrival ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME punctual.events_arrival_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE SEQUENCE punctual.events_id
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE punctual.events_id OWNER TO postgres;
CREATE TABLE punctual.finished (
    seq bigint NOT NULL,
    due_at bigint NOT NULL,
    created_at bigint NOT NULL,
    finished_at bigint NOT NULL,
    expires_at bigint,
    attempt integer NOT NULL,
    priority smallint NOT NULL,
    cancel_requested boolean,
    id uuid NOT NULL,
    replaced_by uuid,
    tenant text NOT NULL COLLATE pg_catalog."C",
    queue text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL COLLATE pg_catalog."C",
    place text NOT NULL COLLATE pg_catalog."C",
    token text COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    schedule text COLLATE pg_catalog."C",
    incarnation text COLLATE pg_catalog."C",
    input text NOT NULL,
    detail text
)
WITH (autovacuum_vacuum_scale_factor='0.02', autovacuum_vacuum_threshold='5000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.finished FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.finished OWNER TO postgres;
CREATE TABLE punctual.idempotency (
    tenant text NOT NULL COLLATE pg_catalog."C",
    key text NOT NULL COLLATE pg_catalog."C",
    body text NOT NULL,
    job uuid NOT NULL,
    due_at bigint NOT NULL,
    expires_at bigint NOT NULL
);
ALTER TABLE ONLY punctual.idempotency FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.idempotency OWNER TO postgres;
CREATE SEQUENCE punctual.jobs_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;
ALTER TABLE punctual.jobs_seq OWNER TO postgres;
CREATE TABLE punctual.jobs (
    seq bigint DEFAULT nextval('punctual.jobs_seq'::regclass) NOT NULL,
    due_at bigint NOT NULL,
    created_at bigint NOT NULL,
    claimed_at bigint,
    lease_until bigint,
    fresh_until bigint,
    attempt integer NOT NULL,
    priority smallint NOT NULL,
    started boolean,
    cancel_requested boolean,
    id uuid NOT NULL,
    replaced_by uuid,
    tenant text NOT NULL COLLATE pg_catalog."C",
    queue text NOT NULL COLLATE pg_catalog."C",
    task text NOT NULL COLLATE pg_catalog."C",
    place text NOT NULL COLLATE pg_catalog."C",
    token text COLLATE pg_catalog."C",
    worker text COLLATE pg_catalog."C",
    key text COLLATE pg_catalog."C",
    schedule text COLLATE pg_catalog."C",
    incarnation text COLLATE pg_catalog."C",
    input text NOT NULL,
    detail text
)
WITH (fillfactor='40', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='10000', autovacuum_analyze_scale_factor='0', autovacuum_analyze_threshold='50000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.jobs FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.jobs OWNER TO postgres;
CREATE TABLE punctual.lane_deltas (
    queue text NOT NULL COLLATE pg_catalog."C",
    tenant text NOT NULL COLLATE pg_catalog."C",
    ready integer DEFAULT 0 NOT NULL,
    deferred integer DEFAULT 0 NOT NULL,
    held integer DEFAULT 0 NOT NULL,
    active integer DEFAULT 0 NOT NULL,
    completed integer DEFAULT 0 NOT NULL,
    failed integer DEFAULT 0 NOT NULL,
    cancelled integer DEFAULT 0 NOT NULL,
    completed_total integer DEFAULT 0 NOT NULL,
    failed_total integer DEFAULT 0 NOT NULL,
    cancelled_total integer DEFAULT 0 NOT NULL
)
WITH (autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='2000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.lane_deltas REPLICA IDENTITY FULL;
ALTER TABLE ONLY punctual.lane_deltas FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.lane_deltas OWNER TO postgres;
CREATE TABLE punctual.lanes (
    lane bigint NOT NULL,
    queue text NOT NULL COLLATE pg_catalog."C",
    tenant text NOT NULL COLLATE pg_catalog."C",
    ready bigint DEFAULT 0 NOT NULL,
    deferred bigint DEFAULT 0 NOT NULL,
    held bigint DEFAULT 0 NOT NULL,
    active bigint DEFAULT 0 NOT NULL,
    completed bigint DEFAULT 0 NOT NULL,
    failed bigint DEFAULT 0 NOT NULL,
    cancelled bigint DEFAULT 0 NOT NULL,
    completed_total bigint DEFAULT 0 NOT NULL,
    failed_total bigint DEFAULT 0 NOT NULL,
    cancelled_total bigint DEFAULT 0 NOT NULL,
    listed boolean DEFAULT false NOT NULL,
    pass double precision DEFAULT 0 NOT NULL,
    weight double precision DEFAULT 1 NOT NULL
)
WITH (fillfactor='50', autovacuum_vacuum_scale_factor='0', autovacuum_vacuum_threshold='1000', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.lanes FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.lanes OWNER TO postgres;
ALTER TABLE punctual.lanes ALTER COLUMN lane ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME punctual.lanes_lane_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);
CREATE TABLE punctual.migrations (
    id integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    breaking boolean NOT NULL,
    applied_at bigint NOT NULL
);
ALTER TABLE ONLY punctual.migrations FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.migrations OWNER TO postgres;
CREATE TABLE punctual.queues (
    name text NOT NULL COLLATE pg_catalog."C",
    paused boolean NOT NULL,
    concurrency integer,
    rate text,
    rate_window text,
    limited boolean GENERATED ALWAYS AS (((concurrency IS NOT NULL) OR (rate IS NOT NULL))) STORED NOT NULL
);
ALTER TABLE ONLY punctual.queues FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.queues OWNER TO postgres;
CREATE TABLE punctual.records (
    key text NOT NULL COLLATE pg_catalog."C",
    value text NOT NULL,
    revision integer NOT NULL,
    expires_at bigint
);
ALTER TABLE ONLY punctual.records FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.records OWNER TO postgres;
CREATE TABLE punctual.reservations (
    tenant text NOT NULL COLLATE pg_catalog."C",
    kind text NOT NULL COLLATE pg_catalog."C",
    xact xid8 NOT NULL,
    count integer NOT NULL
);
ALTER TABLE ONLY punctual.reservations REPLICA IDENTITY FULL;
ALTER TABLE ONLY punctual.reservations FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.reservations OWNER TO postgres;
CREATE TABLE punctual.schedules (
    tenant text NOT NULL COLLATE pg_catalog."C",
    id text NOT NULL COLLATE pg_catalog."C",
    incarnation text NOT NULL COLLATE pg_catalog."C",
    revision integer NOT NULL,
    task text NOT NULL COLLATE pg_catalog."C",
    queue text NOT NULL COLLATE pg_catalog."C",
    enabled boolean NOT NULL,
    cursor_after bigint NOT NULL,
    next_at bigint,
    schedule text NOT NULL
)
WITH (fillfactor='80', autovacuum_vacuum_scale_factor='0.05', autovacuum_vacuum_cost_delay='0');
ALTER TABLE ONLY punctual.schedules FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.schedules OWNER TO postgres;
CREATE TABLE punctual.tenants (
    id text NOT NULL COLLATE pg_catalog."C",
    weight double precision NOT NULL,
    concurrency integer,
    rate text,
    rate_window text,
    guardrails text,
    limited boolean NOT NULL,
    blocked_until bigint,
    passed_over boolean NOT NULL
);
ALTER TABLE ONLY punctual.tenants FORCE ROW LEVEL SECURITY;
ALTER TABLE punctual.tenants OWNER TO postgres;
INSERT INTO punctual.events OVERRIDING SYSTEM VALUE VALUES
	(1, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-0', NULL, NULL, '{"after":{"rule":{"kind":"cron","expression":"0 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"mail","priority":5,"jitterMs":60000,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"maxTicks":10,"input":"{}"},"enabled":false}'),
	(2, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-1', NULL, NULL, '{"after":{"rule":{"kind":"every","everyMs":3601000},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(3, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-2', NULL, NULL, '{"after":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"billing","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(4, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-3', NULL, NULL, '{"after":{"rule":{"kind":"once","at":1795383061126},"task":"send","queue":"mail","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(5, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-4', NULL, NULL, '{"after":{"rule":{"kind":"cron","expression":"4 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(6, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-5', NULL, NULL, '{"after":{"rule":{"kind":"every","everyMs":3605000},"task":"send","queue":"billing","priority":5,"jitterMs":60000,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(7, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-6', NULL, NULL, '{"after":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"mail","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"maxTicks":10,"input":"{}"},"enabled":true}'),
	(8, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-7', NULL, NULL, '{"after":{"rule":{"kind":"once","at":1795383061130},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(9, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-8', NULL, NULL, '{"after":{"rule":{"kind":"cron","expression":"8 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"billing","priority":5,"jitterMs":0,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(10, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-9', NULL, NULL, '{"after":{"rule":{"kind":"every","everyMs":3609000},"task":"send","queue":"mail","priority":5,"jitterMs":0,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":false}'),
	(11, NULL, 1795296661124, NULL, 'schedule:created', 'acme', 'schedule-10', NULL, NULL, '{"after":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"reports","priority":5,"jitterMs":60000,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(12, NULL, 1795296661124, NULL, 'schedule:created', 'globex', 'schedule-11', NULL, NULL, '{"after":{"rule":{"kind":"once","at":1795383061134},"task":"send","queue":"billing","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(13, NULL, 1795296661187, '01a20005-0e9f-8204-a377-9b1000000010', 'job:failed', 'globex', NULL, 'mail', NULL, '{"task":"send","cause":"attempts","reason":"boom","attempt":1}'),
	(14, NULL, 1795296661187, '01a20005-0e9f-8979-be1e-082300000013', 'job:cancelled', 'acme', NULL, 'mail', NULL, '{"task":"send","cause":"cancelled","reason":"boom","attempt":1}'),
	(15, NULL, 1795296661187, '01a20005-0e9f-8979-a8b7-bc6f0000001f', 'job:failed', 'acme', NULL, 'mail', NULL, '{"task":"send","cause":"attempts","reason":"boom","attempt":1}'),
	(16, NULL, 1795296661187, '01a20005-0e9f-8979-81af-14c100000011', 'job:cancelled', 'acme', NULL, 'reports', NULL, '{"task":"send","cause":"cancelled","reason":"boom","attempt":1}'),
	(17, NULL, 1795296661187, '01a20005-0e9f-8979-ac48-c90d0000001d', 'job:failed', 'acme', NULL, 'reports', NULL, '{"task":"send","cause":"attempts","reason":"boom","attempt":1}'),
	(18, NULL, 1795296661187, '01a20005-0e9f-8979-8540-215f0000000f', 'job:cancelled', 'acme', NULL, 'billing', NULL, '{"task":"send","cause":"cancelled","reason":"boom","attempt":1}'),
	(19, NULL, 1795296661187, '01a20005-0e9f-8979-afd9-d5ab0000001b', 'job:failed', 'acme', NULL, 'billing', NULL, '{"task":"send","cause":"attempts","reason":"boom","attempt":1}'),
	(20, NULL, 1795296661187, '01a20005-0e9f-8204-8a80-42be0000001e', 'job:cancelled', 'globex', NULL, 'billing', NULL, '{"task":"send","cause":"cancelled","reason":"boom","attempt":1}'),
	(21, NULL, 1795296661206, NULL, 'schedule:created', 'globex', 'held', NULL, NULL, '{"after":{"rule":{"kind":"every","everyMs":1000,"anchor":0},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"enabled":true}'),
	(22, NULL, 1795296662312, '01a20005-11f0-8204-a7d9-5e4348db07f2', 'tick:fired', 'globex', 'held', 'reports', NULL, '{"tick":1795296662000,"dueAt":1795296662000,"latenessMs":312}'),
	(23, NULL, 1795296663424, NULL, 'schedule:updated', 'globex', 'held', NULL, NULL, '{"before":{"rule":{"kind":"every","everyMs":1000,"anchor":0},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"after":{"rule":{"kind":"every","everyMs":86400000},"task":"send","queue":"reports","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"input":"{}"},"revision":2}'),
	(24, NULL, 1795296663434, NULL, 'queue:changed', 'default', NULL, 'mail', NULL, '{"after":{"name":"mail","paused":false,"concurrency":10}}'),
	(25, NULL, 1795296663434, NULL, 'queue:changed', 'default', NULL, 'billing', NULL, '{"after":{"name":"billing","paused":false,"rate":{"count":100,"periodMs":60000}}}'),
	(26, NULL, 1795296663434, NULL, 'queue:changed', 'default', NULL, '*', NULL, '{"after":{"name":"*","paused":true}}');
INSERT INTO punctual.finished VALUES
	(1, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 1, NULL, '01a20005-0e9f-8979-88d1-2dfd0000000d', NULL, 'acme', 'mail', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":0,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"metadata":"{\"index\":0}","output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(4, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 4, NULL, '01a20005-0e9f-8204-a377-9b1000000010', NULL, 'globex', 'mail', 'send', 'failed', '6526afd100000021', NULL, NULL, NULL, '{"index":3,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"endCause":"attempts","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(16, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 6, NULL, '01a20005-0e9f-8204-8e11-4f5c0000001c', NULL, 'globex', 'mail', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":15,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(7, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 7, NULL, '01a20005-0e9f-8979-be1e-082300000013', NULL, 'acme', 'mail', 'send', 'cancelled', '6526afd100000021', NULL, NULL, NULL, '{"index":6,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"endCause":"cancelled","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"cancelled","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(10, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 10, NULL, '01a20005-0e9f-8204-98c4-753600000016', NULL, 'globex', 'mail', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":9,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(19, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 9, NULL, '01a20005-0e9f-8979-a8b7-bc6f0000001f', NULL, 'acme', 'mail', 'send', 'failed', '6526afd100000021', NULL, NULL, NULL, '{"index":18,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"endCause":"attempts","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(2, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 2, NULL, '01a20005-0e9f-8204-a708-a7ae0000000e', NULL, 'globex', 'reports', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":1,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(5, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 5, NULL, '01a20005-0e9f-8979-81af-14c100000011', NULL, 'acme', 'reports', 'send', 'cancelled', '6526afd100000021', NULL, NULL, NULL, '{"index":4,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"endCause":"cancelled","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"cancelled","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(14, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 4, NULL, '01a20005-0e9f-8204-91a2-5bfa0000001a', NULL, 'globex', 'reports', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":13,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(17, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 7, NULL, '01a20005-0e9f-8979-ac48-c90d0000001d', NULL, 'acme', 'reports', 'send', 'failed', '6526afd100000021', NULL, NULL, NULL, '{"index":16,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"endCause":"attempts","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(20, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 10, NULL, '01a20005-0e9f-8204-86ef-362000000020', NULL, 'globex', 'reports', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":19,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(3, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 3, NULL, '01a20005-0e9f-8979-8540-215f0000000f', NULL, 'acme', 'billing', 'send', 'cancelled', '6526afd100000021', NULL, NULL, NULL, '{"index":2,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"endCause":"cancelled","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"cancelled","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(12, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 2, NULL, '01a20005-0e9f-8204-9533-689800000018', NULL, 'globex', 'billing', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":11,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(15, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 5, NULL, '01a20005-0e9f-8979-afd9-d5ab0000001b', NULL, 'acme', 'billing', 'send', 'failed', '6526afd100000021', NULL, NULL, NULL, '{"index":14,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"metadata":"{\"index\":14}","endCause":"attempts","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(9, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 9, NULL, '01a20005-0e9f-8979-ba8c-fb8500000015', NULL, 'acme', 'billing', 'send', 'completed', '6526afd100000021', NULL, NULL, NULL, '{"index":8,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"output":"{\"done\":true}","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"completed"}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(18, 1795296661159, 1795296661159, 1795296661187, NULL, 1, 8, NULL, '01a20005-0e9f-8204-8a80-42be0000001e', NULL, 'globex', 'billing', 'send', 'cancelled', '6526afd100000021', NULL, NULL, NULL, '{"index":17,"text":"\u0000 🚀 ünïcode"}', '{"attemptsMax":5,"endCause":"cancelled","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"cancelled","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}');
INSERT INTO punctual.idempotency VALUES
	('acme', 'once-0', '0', '01a20005-0e9f-8979-88d1-2dfd0000000d', 1795296661159, 1795383061159),
	('globex', 'once-13', '13', '01a20005-0e9f-8204-91a2-5bfa0000001a', 1795296661159, 1795383061159),
	('acme', 'once-1000012', '1000012', '01a20005-1784-8979-a6d5-c49200000032', 1795384063441, 1795383063429),
	('acme', 'once-1000038', '1000038', '01a20005-1784-8979-b878-208c0000004c', 1795296663429, 1795383063429),
	('globex', 'once-1000025', '1000025', '01a20005-1784-8204-afa6-f28f0000003f', 1795296663429, 1795383063429),
	('globex', 'once-1000051', '1000051', '01a20005-1784-8204-8149-4e8900000059', 1795296663429, 1795383063429);
INSERT INTO punctual.jobs VALUES
	(13, 1795383061187, 1795296661159, NULL, NULL, NULL, 1, 3, NULL, NULL, '01a20005-0e9f-8979-b36a-e24900000019', NULL, 'acme', 'mail', 'send', 'deferred', '6526afd100000021', NULL, NULL, NULL, NULL, '{"index":12,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(11, 1795383061187, 1795296661159, NULL, NULL, NULL, 1, 1, NULL, NULL, '01a20005-0e9f-8979-b6fb-eee700000017', NULL, 'acme', 'reports', 'send', 'deferred', '6526afd100000021', NULL, NULL, NULL, NULL, '{"index":10,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(8, 1795383061187, 1795296661159, NULL, NULL, NULL, 1, 8, NULL, NULL, '01a20005-0e9f-8204-9c55-81d400000014', NULL, 'globex', 'reports', 'send', 'deferred', '6526afd100000021', NULL, NULL, NULL, NULL, '{"index":7,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"metadata":"{\"index\":7}","reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(6, 1795383061187, 1795296661159, NULL, NULL, NULL, 1, 6, NULL, NULL, '01a20005-0e9f-8204-9fe6-8e7200000012', NULL, 'globex', 'billing', 'send', 'deferred', '6526afd100000021', NULL, NULL, NULL, NULL, '{"index":5,"text":"\u0000 🚀 ünïcode"}', '{"failures":1,"attemptsMax":5,"reason":"boom","attempts":[{"attempt":1,"worker":"proof","startedAt":1795296661175,"endedAt":1795296661180,"outcome":"failed","error":{"name":"Error","message":"boom","stack":"Error: boom\n  at here"}}],"log":[{"at":1795296661175,"attempt":1,"text":"a line"}]}'),
	(21, 1795296662312, 1795296662312, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-11f0-8204-a7d9-5e4348db07f2', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, 'held', 'de04969500000025', '{}', '{"tick":1795296662000}'),
	(22, 1795384063429, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-bc3c-104600000026', NULL, 'acme', 'reports', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000000,"text":"\u0000 🚀 ünïcode"}', NULL),
	(23, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-9a73-89f700000027', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000001,"text":"\u0000 🚀 ünïcode"}', NULL),
	(24, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-b8ab-03a800000028', NULL, 'acme', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000002,"text":"\u0000 🚀 ünïcode"}', NULL),
	(25, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-96e2-7d5900000029', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000003,"text":"\u0000 🚀 ünïcode"}', NULL),
	(26, 1795384063433, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-b519-f70a0000002a', NULL, 'acme', 'billing', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000004,"text":"\u0000 🚀 ünïcode"}', NULL),
	(27, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-9351-70bb0000002b', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000005,"text":"\u0000 🚀 ünïcode"}', NULL),
	(28, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-b188-ea6c0000002c', NULL, 'acme', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000006,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000006}"}'),
	(29, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-8fc0-641d0000002d', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000007,"text":"\u0000 🚀 ünïcode"}', NULL),
	(30, 1795384063437, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-adf7-ddce0000002e', NULL, 'acme', 'mail', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000008,"text":"\u0000 🚀 ünïcode"}', NULL),
	(31, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 10, NULL, NULL, '01a20005-1784-8204-8c2f-577f0000002f', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000009,"text":"\u0000 🚀 ünïcode"}', NULL),
	(32, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-aa66-d13000000030', NULL, 'acme', 'billing', 'send', 'ready', NULL, NULL, 'key-1000010', NULL, NULL, '{"index":1000010,"text":"\u0000 🚀 ünïcode"}', NULL),
	(33, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-889e-4ae100000031', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000011,"text":"\u0000 🚀 ünïcode"}', NULL),
	(34, 1795384063441, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-a6d5-c49200000032', NULL, 'acme', 'reports', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000012,"text":"\u0000 🚀 ünïcode"}', NULL),
	(54, 1795384063461, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-832b-466600000046', NULL, 'acme', 'mail', 'send', 'deferred', NULL, NULL, 'key-1000032', NULL, NULL, '{"index":1000032,"text":"\u0000 🚀 ünïcode"}', NULL),
	(35, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-850d-3e4300000033', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000013,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000013}"}'),
	(36, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-a344-b7f400000034', NULL, 'acme', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000014,"text":"\u0000 🚀 ünïcode"}', NULL),
	(37, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-817c-31a500000035', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000015,"text":"\u0000 🚀 ünïcode"}', NULL),
	(38, 1795384063445, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-9fb3-ab5600000036', NULL, 'acme', 'billing', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000016,"text":"\u0000 🚀 ünïcode"}', NULL),
	(39, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-bdeb-250700000037', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000017,"text":"\u0000 🚀 ünïcode"}', NULL),
	(40, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-9c22-9eb800000038', NULL, 'acme', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000018,"text":"\u0000 🚀 ünïcode"}', NULL),
	(41, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 10, NULL, NULL, '01a20005-1784-8204-ba5a-186900000039', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000019,"text":"\u0000 🚀 ünïcode"}', NULL),
	(42, 1795384063449, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-9891-921a0000003a', NULL, 'acme', 'mail', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000020,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000020}"}'),
	(43, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-b6c9-0bcb0000003b', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, 'key-1000021', NULL, NULL, '{"index":1000021,"text":"\u0000 🚀 ünïcode"}', NULL),
	(44, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-9500-857c0000003c', NULL, 'acme', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000022,"text":"\u0000 🚀 ünïcode"}', NULL),
	(45, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-b337-ff2d0000003d', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000023,"text":"\u0000 🚀 ünïcode"}', NULL),
	(46, 1795384063453, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-916f-78de0000003e', NULL, 'acme', 'reports', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000024,"text":"\u0000 🚀 ünïcode"}', NULL),
	(47, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-afa6-f28f0000003f', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000025,"text":"\u0000 🚀 ünïcode"}', NULL),
	(48, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-8dde-6c4000000040', NULL, 'acme', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000026,"text":"\u0000 🚀 ünïcode"}', NULL),
	(49, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-ac15-e5f100000041', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000027,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000027}"}'),
	(50, 1795384063457, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-8a4d-5fa200000042', NULL, 'acme', 'billing', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000028,"text":"\u0000 🚀 ünïcode"}', NULL),
	(51, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 10, NULL, NULL, '01a20005-1784-8204-a884-d95300000043', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000029,"text":"\u0000 🚀 ünïcode"}', NULL),
	(52, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-86bc-530400000044', NULL, 'acme', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000030,"text":"\u0000 🚀 ünïcode"}', NULL),
	(53, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-a4f3-ccb500000045', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000031,"text":"\u0000 🚀 ünïcode"}', NULL),
	(55, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-a162-c01700000047', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000033,"text":"\u0000 🚀 ünïcode"}', NULL),
	(56, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-bf9a-39c800000048', NULL, 'acme', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000034,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000034}"}'),
	(57, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-9dd1-b37900000049', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000035,"text":"\u0000 🚀 ünïcode"}', NULL),
	(58, 1795384063465, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-bc09-2d2a0000004a', NULL, 'acme', 'reports', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000036,"text":"\u0000 🚀 ünïcode"}', NULL),
	(59, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-9a40-a6db0000004b', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000037,"text":"\u0000 🚀 ünïcode"}', NULL),
	(60, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-b878-208c0000004c', NULL, 'acme', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000038,"text":"\u0000 🚀 ünïcode"}', NULL),
	(61, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 10, NULL, NULL, '01a20005-1784-8204-96af-9a3d0000004d', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000039,"text":"\u0000 🚀 ünïcode"}', NULL),
	(62, 1795384063469, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-b4e7-13ee0000004e', NULL, 'acme', 'billing', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000040,"text":"\u0000 🚀 ünïcode"}', NULL),
	(63, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-931e-8d9f0000004f', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000041,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000041}"}'),
	(64, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-b156-075000000050', NULL, 'acme', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000042,"text":"\u0000 🚀 ünïcode"}', NULL),
	(65, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-8f8d-810100000051', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, 'key-1000043', NULL, NULL, '{"index":1000043,"text":"\u0000 🚀 ünïcode"}', NULL),
	(66, 1795384063473, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-adc4-fab200000052', NULL, 'acme', 'mail', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000044,"text":"\u0000 🚀 ünïcode"}', NULL),
	(67, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-8bfc-746300000053', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000045,"text":"\u0000 🚀 ünïcode"}', NULL),
	(68, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-aa33-ee1400000054', NULL, 'acme', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000046,"text":"\u0000 🚀 ünïcode"}', NULL),
	(69, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-886b-67c500000055', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000047,"text":"\u0000 🚀 ünïcode"}', NULL),
	(70, 1795384063477, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-a6a2-e17600000056', NULL, 'acme', 'reports', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000048,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000048}"}'),
	(71, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 10, NULL, NULL, '01a20005-1784-8204-84da-5b2700000057', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000049,"text":"\u0000 🚀 ünïcode"}', NULL),
	(72, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 1, NULL, NULL, '01a20005-1784-8979-a311-d4d800000058', NULL, 'acme', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000050,"text":"\u0000 🚀 ünïcode"}', NULL),
	(73, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 2, NULL, NULL, '01a20005-1784-8204-8149-4e8900000059', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000051,"text":"\u0000 🚀 ünïcode"}', NULL),
	(74, 1795384063481, 1795296663429, NULL, NULL, NULL, 0, 3, NULL, NULL, '01a20005-1784-8979-9f80-c83a0000005a', NULL, 'acme', 'billing', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000052,"text":"\u0000 🚀 ünïcode"}', NULL),
	(75, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 4, NULL, NULL, '01a20005-1784-8204-bdb8-41eb0000005b', NULL, 'globex', 'mail', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000053,"text":"\u0000 🚀 ünïcode"}', NULL),
	(76, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 5, NULL, NULL, '01a20005-1784-8979-9bef-bb9c0000005c', NULL, 'acme', 'reports', 'send', 'ready', NULL, NULL, 'key-1000054', NULL, NULL, '{"index":1000054,"text":"\u0000 🚀 ünïcode"}', NULL),
	(77, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 6, NULL, NULL, '01a20005-1784-8204-ba27-354d0000005d', NULL, 'globex', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000055,"text":"\u0000 🚀 ünïcode"}', '{"metadata":"{\"index\":1000055}"}'),
	(78, 1795384063485, 1795296663429, NULL, NULL, NULL, 0, 7, NULL, NULL, '01a20005-1784-8979-985e-aefe0000005e', NULL, 'acme', 'mail', 'send', 'deferred', NULL, NULL, NULL, NULL, NULL, '{"index":1000056,"text":"\u0000 🚀 ünïcode"}', NULL),
	(79, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 8, NULL, NULL, '01a20005-1784-8204-b696-28af0000005f', NULL, 'globex', 'reports', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000057,"text":"\u0000 🚀 ünïcode"}', NULL),
	(80, 1795296663429, 1795296663429, NULL, NULL, NULL, 0, 9, NULL, NULL, '01a20005-1784-8979-94cd-a26000000060', NULL, 'acme', 'billing', 'send', 'ready', NULL, NULL, NULL, NULL, NULL, '{"index":1000058,"text":"\u0000 🚀 ünïcode"}', NULL);
INSERT INTO punctual.lane_deltas VALUES
	('billing', 'acme', 0, 0, 0, -3, 1, 1, 1, 1, 1, 1),
	('billing', 'globex', 0, 1, 0, -3, 1, 0, 1, 1, 0, 1),
	('mail', 'acme', 0, 1, 0, -4, 1, 1, 1, 1, 1, 1),
	('mail', 'globex', 0, 0, 0, -3, 2, 1, 0, 2, 1, 0),
	('reports', 'acme', 0, 1, 0, -3, 0, 1, 1, 0, 1, 1),
	('reports', 'globex', 0, 1, 0, -4, 3, 0, 0, 3, 0, 0),
	('reports', 'globex', 1, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	('billing', 'acme', 5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
	('billing', 'globex', 10, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	('mail', 'acme', 5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
	('mail', 'globex', 9, 0, 0, 0, 0, 0, 0, 0, 0, 0),
	('reports', 'acme', 5, 5, 0, 0, 0, 0, 0, 0, 0, 0),
	('reports', 'globex', 10, 0, 0, 0, 0, 0, 0, 0, 0, 0);
INSERT INTO punctual.lanes OVERRIDING SYSTEM VALUE VALUES
	(3, 'mail', 'acme', 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, false, 4, 1),
	(4, 'mail', 'globex', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, false, 3, 1),
	(5, 'reports', 'acme', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, false, 3, 1),
	(6, 'reports', 'globex', 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, false, 4, 1),
	(1, 'billing', 'acme', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, false, 3, 1),
	(2, 'billing', 'globex', 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, false, 3, 1);
INSERT INTO punctual.migrations VALUES
	(1, 'initial', true, 1795296663668),
	(2, 'row-security', false, 1795296663676);
INSERT INTO punctual.queues VALUES
	('mail', false, 10, NULL, NULL, DEFAULT),
	('billing', false, NULL, '{"count":100,"periodMs":60000}', NULL, DEFAULT),
	('*', true, NULL, NULL, NULL, DEFAULT);
INSERT INTO punctual.records VALUES
	('note', '{"by":"the proof"}', 1, NULL);
INSERT INTO punctual.schedules VALUES
	('acme', 'schedule-0', '9e3779b100000001', 1, 'send', 'mail', false, 1795296661124, NULL, '{"tenant":"acme","id":"schedule-0","incarnation":"9e3779b100000001","revision":1,"definition":{"rule":{"kind":"cron","expression":"0 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"mail","input":"{}","priority":5,"jitterMs":60000,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"maxTicks":10},"enabled":false,"disabledReason":"for the proof","cursor":{"after":1795296661124,"zoneRules":"e6b6e2ab6d8937a0"},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('acme', 'schedule-10', 'cc623a9b0000000b', 1, 'send', 'reports', true, 1795296661124, 1796083200000, '{"tenant":"acme","id":"schedule-10","incarnation":"cc623a9b0000000b","revision":1,"definition":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"reports","input":"{}","priority":5,"jitterMs":60000,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1796083200000,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('acme', 'schedule-2', 'daa66d1300000003', 1, 'send', 'billing', true, 1795296661124, 1796083200000, '{"tenant":"acme","id":"schedule-2","incarnation":"daa66d1300000003","revision":1,"definition":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"billing","input":"{}","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1796083200000,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('acme', 'schedule-4', '1715607500000005', 1, 'send', 'reports', true, 1795296661124, 1795313040000, '{"tenant":"acme","id":"schedule-4","incarnation":"1715607500000005","revision":1,"definition":{"rule":{"kind":"cron","expression":"4 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"reports","input":"{}","priority":5,"jitterMs":0,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795313040000,"zoneRules":"e6b6e2ab6d8937a0","wall":1795300261124},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('acme', 'schedule-6', '538453d700000007', 1, 'send', 'mail', true, 1795296661124, 1796083200000, '{"tenant":"acme","id":"schedule-6","incarnation":"538453d700000007","revision":1,"definition":{"rule":{"kind":"every-calendar","months":1,"anchor":0,"timezone":"UTC"},"task":"send","queue":"mail","input":"{}","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000},"maxTicks":10},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1796083200000,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('acme', 'schedule-8', '8ff3473900000009', 1, 'send', 'billing', true, 1795296661124, 1795313280000, '{"tenant":"acme","id":"schedule-8","incarnation":"8ff3473900000009","revision":1,"definition":{"rule":{"kind":"cron","expression":"8 3 * * *","timezone":"Europe/Paris"},"task":"send","queue":"billing","input":"{}","priority":5,"jitterMs":0,"overlap":"allow","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795313280000,"zoneRules":"e6b6e2ab6d8937a0","wall":1795300261124},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-1', '3c6ef36200000002', 1, 'send', 'reports', true, 1795296661124, 1795300262124, '{"tenant":"globex","id":"schedule-1","incarnation":"3c6ef36200000002","revision":1,"definition":{"rule":{"kind":"every","everyMs":3601000},"task":"send","queue":"reports","input":"{}","priority":5,"jitterMs":0,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795300262124,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-11', '6a99b44c0000000c', 1, 'send', 'billing', true, 1795296661124, 1795383061134, '{"tenant":"globex","id":"schedule-11","incarnation":"6a99b44c0000000c","revision":1,"definition":{"rule":{"kind":"once","at":1795383061134},"task":"send","queue":"billing","input":"{}","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795383061134,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-3', '78dde6c400000004', 1, 'send', 'mail', true, 1795296661124, 1795383061126, '{"tenant":"globex","id":"schedule-3","incarnation":"78dde6c400000004","revision":1,"definition":{"rule":{"kind":"once","at":1795383061126},"task":"send","queue":"mail","input":"{}","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795383061126,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-5', 'b54cda2600000006', 1, 'send', 'billing', true, 1795296661124, 1795300266124, '{"tenant":"globex","id":"schedule-5","incarnation":"b54cda2600000006","revision":1,"definition":{"rule":{"kind":"every","everyMs":3605000},"task":"send","queue":"billing","input":"{}","priority":5,"jitterMs":60000,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795300266124,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-7', 'f1bbcd8800000008', 1, 'send', 'reports', true, 1795296661124, 1795383061130, '{"tenant":"globex","id":"schedule-7","incarnation":"f1bbcd8800000008","revision":1,"definition":{"rule":{"kind":"once","at":1795383061130},"task":"send","queue":"reports","input":"{}","priority":5,"jitterMs":0,"overlap":"replace","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296661124,"nextAt":1795383061130,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'schedule-9', '2e2ac0ea0000000a', 1, 'send', 'mail', false, 1795296661124, NULL, '{"tenant":"globex","id":"schedule-9","incarnation":"2e2ac0ea0000000a","revision":1,"definition":{"rule":{"kind":"every","everyMs":3609000},"task":"send","queue":"mail","input":"{}","priority":5,"jitterMs":0,"overlap":"skip","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":false,"disabledReason":"for the proof","cursor":{"after":1795296661124,"zoneRules":""},"ruleSetAt":1795296661124,"ticksFired":0,"missed":0,"failuresInRow":0,"createdAt":1795296661124,"updatedAt":1795296661124}'),
	('globex', 'held', 'de04969500000025', 2, 'send', 'reports', true, 1795296663424, 1795383063424, '{"tenant":"globex","id":"held","incarnation":"de04969500000025","revision":2,"definition":{"rule":{"kind":"every","everyMs":86400000},"task":"send","queue":"reports","input":"{}","priority":5,"jitterMs":0,"overlap":"queue","catchUp":{"policy":"latest","windowMs":3600000,"limit":1000}},"enabled":true,"cursor":{"after":1795296663424,"nextAt":1795383063424,"zoneRules":""},"ruleSetAt":1795296663424,"ticksFired":1,"missed":0,"failuresInRow":0,"createdAt":1795296661206,"updatedAt":1795296663424,"lastTick":1795296662000,"lastFiredAt":1795296662312,"held":{"tick":1795296663000,"dueAt":1795296663000,"missed":0}}');
SELECT pg_catalog.setval('punctual.events_arrival_seq', 26, true);
SELECT pg_catalog.setval('punctual.events_id', 1, false);
SELECT pg_catalog.setval('punctual.jobs_seq', 80, true);
SELECT pg_catalog.setval('punctual.lanes_lane_seq', 6, true);
ALTER TABLE ONLY punctual.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (arrival);
ALTER TABLE ONLY punctual.finished
    ADD CONSTRAINT finished_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY punctual.idempotency
    ADD CONSTRAINT idempotency_pkey PRIMARY KEY (tenant, key);
ALTER TABLE ONLY punctual.jobs
    ADD CONSTRAINT jobs_pkey PRIMARY KEY (seq);
ALTER TABLE ONLY punctual.lanes
    ADD CONSTRAINT lanes_pkey PRIMARY KEY (queue, tenant);
ALTER TABLE ONLY punctual.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY (id);
ALTER TABLE ONLY punctual.queues
    ADD CONSTRAINT queues_pkey PRIMARY KEY (name);
ALTER TABLE ONLY punctual.records
    ADD CONSTRAINT records_pkey PRIMARY KEY (key);
ALTER TABLE ONLY punctual.schedules
    ADD CONSTRAINT schedules_pkey PRIMARY KEY (tenant, id);
ALTER TABLE ONLY punctual.tenants
    ADD CONSTRAINT tenants_pkey PRIMARY KEY (id);
CREATE INDEX claims_ends ON punctual.claims USING btree (queue, ends_at);
CREATE INDEX events_at ON punctual.events USING btree (at);
CREATE INDEX events_job ON punctual.events USING btree (job) WHERE (job IS NOT NULL);
CREATE INDEX events_new ON punctual.events USING btree (arrival) WHERE (id IS NULL);
CREATE INDEX events_schedule ON punctual.events USING btree (tenant, schedule, id) WHERE (schedule IS NOT NULL);
CREATE UNIQUE INDEX events_seen ON punctual.events USING btree (id) WHERE (id IS NOT NULL);
CREATE INDEX finished_completed ON punctual.finished USING btree (queue, finished_at, seq) WHERE (place = 'completed'::text);
CREATE INDEX finished_ended ON punctual.finished USING btree (queue, finished_at, seq) WHERE (place <> 'completed'::text);
CREATE INDEX finished_expires ON punctual.finished USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE UNIQUE INDEX finished_id ON punctual.finished USING btree (id);
CREATE INDEX finished_replaced_by ON punctual.finished USING btree (replaced_by) WHERE (replaced_by IS NOT NULL);
CREATE INDEX idempotency_expires ON punctual.idempotency USING btree (expires_at);
CREATE INDEX jobs_active ON punctual.jobs USING btree (queue, lease_until, seq) WHERE (place = 'active'::text);
CREATE INDEX jobs_deferred ON punctual.jobs USING btree (queue, due_at, seq) WHERE (place = 'deferred'::text);
CREATE UNIQUE INDEX jobs_id ON punctual.jobs USING btree (id);
CREATE INDEX jobs_incarnation ON punctual.jobs USING btree (incarnation) WHERE (incarnation IS NOT NULL);
CREATE UNIQUE INDEX jobs_key ON punctual.jobs USING btree (tenant, queue, key, ((place = 'held'::text))) WHERE (key IS NOT NULL);
CREATE INDEX jobs_ready ON punctual.jobs USING btree (queue, tenant, priority, due_at, seq) WHERE (place = 'ready'::text);
CREATE INDEX jobs_replaced_by ON punctual.jobs USING btree (replaced_by) WHERE (replaced_by IS NOT NULL);
CREATE INDEX lanes_listed ON punctual.lanes USING btree (queue, listed, pass, lane);
CREATE INDEX lanes_tenant ON punctual.lanes USING btree (tenant);
CREATE INDEX records_expires ON punctual.records USING btree (expires_at) WHERE (expires_at IS NOT NULL);
CREATE INDEX reservations_tenant ON punctual.reservations USING btree (tenant, kind);
CREATE INDEX schedules_active ON punctual.schedules USING btree (tenant) WHERE (enabled AND (next_at IS NOT NULL));
CREATE INDEX schedules_disabled ON punctual.schedules USING btree (tenant, id) WHERE (NOT enabled);
CREATE INDEX schedules_due ON punctual.schedules USING btree (next_at) WHERE (next_at IS NOT NULL);
CREATE INDEX tenants_blocked ON punctual.tenants USING btree (blocked_until) WHERE (blocked_until IS NOT NULL);
CREATE INDEX tenants_limited ON punctual.tenants USING btree (id) WHERE limited;
ALTER TABLE punctual.claims ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.events ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.finished ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.idempotency ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.jobs ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.lane_deltas ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.lanes ENABLE ROW LEVEL SECURITY;
CREATE POLICY master ON punctual.claims TO punctual_master USING (true);
CREATE POLICY master ON punctual.events TO punctual_master USING (true);
CREATE POLICY master ON punctual.finished TO punctual_master USING (true);
CREATE POLICY master ON punctual.idempotency TO punctual_master USING (true);
CREATE POLICY master ON punctual.jobs TO punctual_master USING (true);
CREATE POLICY master ON punctual.lane_deltas TO punctual_master USING (true);
CREATE POLICY master ON punctual.lanes TO punctual_master USING (true);
CREATE POLICY master ON punctual.migrations TO punctual_master USING (true);
CREATE POLICY master ON punctual.queues TO punctual_master USING (true);
CREATE POLICY master ON punctual.records TO punctual_master USING (true);
CREATE POLICY master ON punctual.reservations TO punctual_master USING (true);
CREATE POLICY master ON punctual.schedules TO punctual_master USING (true);
CREATE POLICY master ON punctual.tenants TO punctual_master USING (true);
ALTER TABLE punctual.migrations ENABLE ROW LEVEL SECURITY;
CREATE POLICY owner ON punctual.claims TO postgres USING (true);
CREATE POLICY owner ON punctual.events TO postgres USING (true);
CREATE POLICY owner ON punctual.finished TO postgres USING (true);
CREATE POLICY owner ON punctual.idempotency TO postgres USING (true);
CREATE POLICY owner ON punctual.jobs TO postgres USING (true);
CREATE POLICY owner ON punctual.lane_deltas TO postgres USING (true);
CREATE POLICY owner ON punctual.lanes TO postgres USING (true);
CREATE POLICY owner ON punctual.migrations TO postgres USING (true);
CREATE POLICY owner ON punctual.queues TO postgres USING (true);
CREATE POLICY owner ON punctual.records TO postgres USING (true);
CREATE POLICY owner ON punctual.reservations TO postgres USING (true);
CREATE POLICY owner ON punctual.schedules TO postgres USING (true);
CREATE POLICY owner ON punctual.tenants TO postgres USING (true);
ALTER TABLE punctual.queues ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.records ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.reservations ENABLE ROW LEVEL SECURITY;
ALTER TABLE punctual.schedules ENABLE ROW LEVEL SECURITY;
CREATE POLICY tenant ON punctual.claims USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.events USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.finished USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.idempotency USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.jobs USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.lane_deltas USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.lanes USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.migrations FOR SELECT USING (true);
CREATE POLICY tenant ON punctual.queues FOR SELECT USING ((NULLIF(current_setting('punctual.tenant'::text, true), ''::text) IS NOT NULL));
CREATE POLICY tenant ON punctual.records FOR SELECT USING ((key = 'punctual/copy'::text));
CREATE POLICY tenant ON punctual.reservations USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.schedules USING ((tenant = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
CREATE POLICY tenant ON punctual.tenants FOR SELECT USING ((id = NULLIF(current_setting('punctual.tenant'::text, true), ''::text)));
ALTER TABLE punctual.tenants ENABLE ROW LEVEL SECURITY;
CREATE POLICY worker ON punctual.claims TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.events TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.finished TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.idempotency TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.jobs TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.lane_deltas TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.lanes TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.migrations TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.queues TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.records TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.reservations TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.schedules TO punctual_worker USING (true);
CREATE POLICY worker ON punctual.tenants TO punctual_worker USING (true);
GRANT USAGE ON SCHEMA punctual TO punctual_app;
GRANT USAGE ON SCHEMA punctual TO punctual_worker;
GRANT USAGE ON SCHEMA punctual TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.claims TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.claims TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.claims TO punctual_master;
GRANT SELECT,INSERT ON TABLE punctual.events TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.events TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.events TO punctual_master;
GRANT UPDATE(id) ON TABLE punctual.events TO punctual_app;
GRANT USAGE ON SEQUENCE punctual.events_id TO punctual_app;
GRANT USAGE ON SEQUENCE punctual.events_id TO punctual_worker;
GRANT ALL ON SEQUENCE punctual.events_id TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.finished TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.finished TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.finished TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.idempotency TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.idempotency TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.idempotency TO punctual_master;
GRANT USAGE ON SEQUENCE punctual.jobs_seq TO punctual_app;
GRANT USAGE ON SEQUENCE punctual.jobs_seq TO punctual_worker;
GRANT ALL ON SEQUENCE punctual.jobs_seq TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.jobs TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.jobs TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.jobs TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lane_deltas TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lane_deltas TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lane_deltas TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lanes TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lanes TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.lanes TO punctual_master;
GRANT SELECT ON TABLE punctual.migrations TO punctual_app;
GRANT SELECT ON TABLE punctual.migrations TO punctual_worker;
GRANT SELECT ON TABLE punctual.migrations TO punctual_master;
GRANT SELECT ON TABLE punctual.queues TO punctual_app;
GRANT SELECT ON TABLE punctual.queues TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.queues TO punctual_master;
GRANT UPDATE(rate_window) ON TABLE punctual.queues TO punctual_worker;
GRANT SELECT ON TABLE punctual.records TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.records TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.records TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.reservations TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.reservations TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.reservations TO punctual_master;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.schedules TO punctual_app;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.schedules TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.schedules TO punctual_master;
GRANT SELECT ON TABLE punctual.tenants TO punctual_app;
GRANT SELECT ON TABLE punctual.tenants TO punctual_worker;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE punctual.tenants TO punctual_master;
GRANT UPDATE(rate_window) ON TABLE punctual.tenants TO punctual_worker;
GRANT UPDATE(blocked_until) ON TABLE punctual.tenants TO punctual_worker;
GRANT UPDATE(passed_over) ON TABLE punctual.tenants TO punctual_worker;