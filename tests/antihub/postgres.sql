--
-- PostgreSQL database dump
--


-- Dumped from database version 15.18 (Debian 15.18-0+deb12u1)
-- Dumped by pg_dump version 15.18 (Debian 15.18-0+deb12u1)

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

SET default_tablespace = '';

SET default_table_access_method = heap;

--
-- Name: alembic_version; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);


--
-- Name: api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.api_keys (
    id integer NOT NULL,
    user_id integer NOT NULL,
    key character varying(128) NOT NULL,
    name character varying(100),
    is_active boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone,
    expires_at timestamp with time zone,
    config_type character varying(50) DEFAULT 'antigravity'::character varying NOT NULL
);


--
-- Name: COLUMN api_keys.config_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.api_keys.config_type IS '配置类型：antigravity 或 kiro';


--
-- Name: api_keys_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.api_keys_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: api_keys_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.api_keys_id_seq OWNED BY public.api_keys.id;


--
-- Name: oauth_tokens; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.oauth_tokens (
    id integer NOT NULL,
    user_id integer NOT NULL,
    access_token text NOT NULL,
    refresh_token text,
    token_type character varying(50) NOT NULL,
    expires_at timestamp with time zone NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: COLUMN oauth_tokens.user_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.user_id IS '关联的用户 ID';


--
-- Name: COLUMN oauth_tokens.access_token; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.access_token IS 'OAuth 访问令牌';


--
-- Name: COLUMN oauth_tokens.refresh_token; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.refresh_token IS 'OAuth 刷新令牌';


--
-- Name: COLUMN oauth_tokens.token_type; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.token_type IS '令牌类型';


--
-- Name: COLUMN oauth_tokens.expires_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.expires_at IS '令牌过期时间';


--
-- Name: COLUMN oauth_tokens.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.created_at IS '创建时间';


--
-- Name: COLUMN oauth_tokens.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.oauth_tokens.updated_at IS '更新时间';


--
-- Name: oauth_tokens_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.oauth_tokens_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: oauth_tokens_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.oauth_tokens_id_seq OWNED BY public.oauth_tokens.id;


--
-- Name: plugin_api_keys; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.plugin_api_keys (
    id integer NOT NULL,
    user_id integer NOT NULL,
    api_key text NOT NULL,
    plugin_user_id character varying(255),
    is_active boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_used_at timestamp with time zone
);


--
-- Name: COLUMN plugin_api_keys.user_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.user_id IS '用户ID';


--
-- Name: COLUMN plugin_api_keys.api_key; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.api_key IS '用户的plug-in API密钥（加密存储）';


--
-- Name: COLUMN plugin_api_keys.plugin_user_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.plugin_user_id IS 'plug-in-api系统中的用户ID';


--
-- Name: COLUMN plugin_api_keys.is_active; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.is_active IS '密钥是否激活';


--
-- Name: COLUMN plugin_api_keys.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.created_at IS '创建时间';


--
-- Name: COLUMN plugin_api_keys.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.updated_at IS '更新时间';


--
-- Name: COLUMN plugin_api_keys.last_used_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.plugin_api_keys.last_used_at IS '最后使用时间';


--
-- Name: plugin_api_keys_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.plugin_api_keys_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: plugin_api_keys_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.plugin_api_keys_id_seq OWNED BY public.plugin_api_keys.id;


--
-- Name: usage_logs; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.usage_logs (
    id integer NOT NULL,
    user_id integer NOT NULL,
    api_key_id integer,
    endpoint character varying(255) NOT NULL,
    method character varying(10) NOT NULL,
    model_name character varying(100),
    quota_consumed double precision NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);


--
-- Name: usage_logs_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.usage_logs_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: usage_logs_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.usage_logs_id_seq OWNED BY public.usage_logs.id;


--
-- Name: users; Type: TABLE; Schema: public; Owner: -
--

CREATE TABLE public.users (
    id integer NOT NULL,
    username character varying(255) NOT NULL,
    password_hash character varying(255),
    oauth_id character varying(255),
    avatar_url character varying(512),
    trust_level integer NOT NULL,
    is_active boolean NOT NULL,
    is_silenced boolean NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL,
    updated_at timestamp with time zone DEFAULT now() NOT NULL,
    last_login_at timestamp with time zone,
    beta integer DEFAULT 0 NOT NULL
);


--
-- Name: COLUMN users.username; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.username IS '用户名';


--
-- Name: COLUMN users.password_hash; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.password_hash IS '密码哈希值';


--
-- Name: COLUMN users.oauth_id; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.oauth_id IS 'OAuth 提供商的用户 ID';


--
-- Name: COLUMN users.avatar_url; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.avatar_url IS '用户头像 URL';


--
-- Name: COLUMN users.trust_level; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.trust_level IS '用户信任等级';


--
-- Name: COLUMN users.is_active; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.is_active IS '账号是否激活';


--
-- Name: COLUMN users.is_silenced; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.is_silenced IS '是否被禁言';


--
-- Name: COLUMN users.created_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.created_at IS '创建时间';


--
-- Name: COLUMN users.updated_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.updated_at IS '更新时间';


--
-- Name: COLUMN users.last_login_at; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.last_login_at IS '最后登录时间';


--
-- Name: COLUMN users.beta; Type: COMMENT; Schema: public; Owner: -
--

COMMENT ON COLUMN public.users.beta IS '是否加入beta计划';


--
-- Name: users_id_seq; Type: SEQUENCE; Schema: public; Owner: -
--

CREATE SEQUENCE public.users_id_seq
    AS integer
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1;


--
-- Name: users_id_seq; Type: SEQUENCE OWNED BY; Schema: public; Owner: -
--

ALTER SEQUENCE public.users_id_seq OWNED BY public.users.id;


--
-- Name: api_keys id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys ALTER COLUMN id SET DEFAULT nextval('public.api_keys_id_seq'::regclass);


--
-- Name: oauth_tokens id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oauth_tokens ALTER COLUMN id SET DEFAULT nextval('public.oauth_tokens_id_seq'::regclass);


--
-- Name: plugin_api_keys id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.plugin_api_keys ALTER COLUMN id SET DEFAULT nextval('public.plugin_api_keys_id_seq'::regclass);


--
-- Name: usage_logs id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_logs ALTER COLUMN id SET DEFAULT nextval('public.usage_logs_id_seq'::regclass);


--
-- Name: users id; Type: DEFAULT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users ALTER COLUMN id SET DEFAULT nextval('public.users_id_seq'::regclass);


--
-- Data for Name: alembic_version; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.alembic_version VALUES
	('add_config_type');


--
-- Data for Name: api_keys; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.api_keys VALUES
	(1, 7, 'sk-1bLzAIoLxM7hGu3gFHW6ToLb6mGSC-MQjnnAjg9Lb8hJ34lO-Iy3J_XEPqbOR-6P', 'key of rowan', true, '2026-11-24 02:06:29.270397+00', NULL, NULL, 'antigravity'),
	(2, 8, 'sk-B4s0tVitjvwhmgYQBZ6t9ijuMyiaVi-FgAGLPeE-bj05o7pk7oEPKzRe4bYysmv0', 'key of alder', true, '2026-11-24 02:06:29.280251+00', NULL, NULL, 'antigravity'),
	(3, 1, 'sk--dVoUVS-WQq_sJtNqF8CE35rRBIvyuYlD94OzpaZzqzc2yZ9xEEU5M-KRCOuu3g9', 'key of member', true, '2026-11-24 02:06:29.286425+00', NULL, NULL, 'antigravity'),
	(4, 5, 'sk-cdpCgoE_xZdUo5jyh874qPYjaoqRM2YDv6ae43XMfml8p57HFKtxWRQ-p-9jm2pg', 'key of tester', true, '2026-11-24 02:06:29.291468+00', NULL, NULL, 'antigravity'),
	(5, 5, 'sk-IcRKn0E2kJwjahZ8d9-zY1NsDffWiLUR6iDBXZKz7PpTzQK9lAATgnkuZ9bNS7U6', 'kiro key', true, '2026-11-24 02:06:29.296712+00', NULL, NULL, 'kiro'),
	(6, 8, 'sk-793T-2ztTo5_9R7CBafkRDDq6m0ztoxuTfZ58iEuJgxT_4IvBE3xF3D1H3zW-n8t', 'switched off', false, '2026-11-24 02:06:29.300941+00', NULL, NULL, 'antigravity');


--
-- Data for Name: oauth_tokens; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.oauth_tokens VALUES
	(1, 7, 'at-ok-601-rowan-2', 'rt-ok-601-rowan-2', 'bearer', '2026-11-24 03:06:28.358151+00', '2026-11-24 02:06:28.305751+00', '2026-11-24 02:06:28.305751+00'),
	(2, 8, 'at-ok-602-alder-1', 'rt-ok-602-alder-1', 'bearer', '2026-11-24 03:06:28.446549+00', '2026-11-24 02:06:28.418549+00', '2026-11-24 02:06:28.418549+00'),
	(3, 9, 'at-ok-603-birch-3', 'rt-ok-603-birch-3', 'bearer', '2026-11-24 03:06:28.522204+00', '2026-11-24 02:06:28.495657+00', '2026-11-24 02:06:28.495657+00'),
	(4, 10, 'at-ok-604-hazel-0', 'rt-ok-604-hazel-0', 'bearer', '2026-11-24 03:06:28.600459+00', '2026-11-24 02:06:28.573426+00', '2026-11-24 02:06:28.573426+00');


--
-- Data for Name: plugin_api_keys; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.plugin_api_keys VALUES
	(1, 7, 'gAAAAABrBPEk9spCjNxGfwiz9Jybod7-poPAEqZuqpuTQRwrYm_v8nXuG2bjmycjqbgKad1oueL8ZeDalS-uJqAS-p--liKI3RzjHTKTkY3WyqcQYQhTkIO1uNVZgOgkg_Kf5v0M3wwiV-6R_Zd7hyD7G-KauVgd0Q==', '558aff63-8bd8-437b-b922-e1313602d663', true, '2026-11-24 02:06:28.305751+00', '2026-11-24 02:06:28.305751+00', NULL),
	(2, 8, 'gAAAAABrBPEkRVfZbMELmBghmYnbn_th4Vf-i3yyYBWhBnaKGBwnjI5QrblYy9RQzd1h_z10CjHfM35TGxanIFLOHEx4dtGQRfvBn0eFXYDZfVS95q7mXkwcpNdCI4Bdrr0WWb4TyUs625K2cB5fxz7zUu2N-SrGVQ==', 'ff20f60e-a7ad-4840-ba7b-ccdaebdbaf88', true, '2026-11-24 02:06:28.418549+00', '2026-11-24 02:06:28.418549+00', NULL),
	(3, 9, 'gAAAAABrBPEk4Fzdq2Y7OC49KcmspUfAMBnZC1KbYbtOKKeq6dxk5_6cUgfkoi6_wHb5pvgp4X9lt0KaVClW9LYnwxChfOE5S3KCmd0aayFI3ymrvUjqcESvGaiR3CkLuDyZFaQ_gHwDl8qCoroJGgcnMgEFD8dFDw==', '14be2e0b-b3f2-4516-ab00-f54ba446fd7d', true, '2026-11-24 02:06:28.495657+00', '2026-11-24 02:06:28.495657+00', NULL),
	(4, 10, 'gAAAAABrBPEkLRP13MRlDOJ0omHjkwc1ogaeQuK2DOzN9yLtA9Hct877futPi99JRFAcfyGnJkK_G_0rjaKj4Y1-0UjXqJ0CJUqFF6iX-8ax87kQY5n3nURbqYGtDxCGOIUMfyVji2I7JXDPdGckWS84AxNI878-XQ==', '419fb219-0fcd-4352-8a2d-7987d9f5f323', true, '2026-11-24 02:06:28.573426+00', '2026-11-24 02:06:28.573426+00', NULL);


--
-- Data for Name: usage_logs; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.usage_logs VALUES
	(1, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 02:05:29.561904+00'),
	(2, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 02:04:29.561904+00'),
	(3, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 02:03:29.561904+00'),
	(4, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 02:02:29.561904+00'),
	(5, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 02:01:29.561904+00'),
	(6, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 02:00:29.561904+00'),
	(7, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 01:59:29.561904+00'),
	(8, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 01:58:29.561904+00'),
	(9, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 01:57:29.561904+00'),
	(10, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 01:56:29.561904+00'),
	(11, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 01:55:29.561904+00'),
	(12, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 01:54:29.561904+00'),
	(13, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 01:53:29.561904+00'),
	(14, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 01:52:29.561904+00'),
	(15, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 01:51:29.561904+00'),
	(16, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 01:50:29.561904+00'),
	(17, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 01:49:29.561904+00'),
	(18, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 01:48:29.561904+00'),
	(19, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 01:47:29.561904+00'),
	(20, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 01:46:29.561904+00'),
	(21, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 01:45:29.561904+00'),
	(22, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 01:44:29.561904+00'),
	(23, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 01:43:29.561904+00'),
	(24, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 01:42:29.561904+00'),
	(25, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 01:41:29.561904+00'),
	(26, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 01:40:29.561904+00'),
	(27, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-24 01:39:29.561904+00'),
	(28, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-24 01:38:29.561904+00'),
	(29, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-24 01:37:29.561904+00'),
	(30, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-24 01:36:29.561904+00'),
	(31, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-24 01:35:29.561904+00'),
	(32, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-24 01:34:29.561904+00'),
	(33, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-24 01:33:29.561904+00'),
	(34, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-24 01:32:29.561904+00'),
	(35, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-24 01:31:29.561904+00'),
	(36, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-24 01:30:29.561904+00'),
	(37, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-24 01:29:29.561904+00'),
	(38, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-24 01:28:29.561904+00'),
	(39, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-24 01:27:29.561904+00'),
	(40, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-24 01:26:29.561904+00'),
	(41, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-24 01:25:29.561904+00'),
	(42, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-24 01:24:29.561904+00'),
	(43, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-24 01:23:29.561904+00'),
	(44, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-24 01:22:29.561904+00'),
	(45, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-24 01:21:29.561904+00'),
	(46, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-24 01:20:29.561904+00'),
	(47, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-24 01:19:29.561904+00'),
	(48, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-24 01:18:29.561904+00'),
	(49, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-24 01:17:29.561904+00'),
	(50, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-24 01:16:29.561904+00'),
	(51, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-24 01:15:29.561904+00'),
	(52, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-24 01:14:29.561904+00'),
	(53, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-24 01:13:29.561904+00'),
	(54, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-24 01:12:29.561904+00'),
	(55, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-24 01:11:29.561904+00'),
	(56, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-24 01:10:29.561904+00'),
	(57, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-24 01:09:29.561904+00'),
	(58, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-24 01:08:29.561904+00'),
	(59, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-24 01:07:29.561904+00'),
	(60, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-24 01:06:29.561904+00'),
	(61, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-24 01:05:29.561904+00'),
	(62, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-24 01:04:29.561904+00'),
	(63, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-24 01:03:29.561904+00'),
	(64, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-24 01:02:29.561904+00'),
	(65, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-24 01:01:29.561904+00'),
	(66, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-24 01:00:29.561904+00'),
	(67, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-24 00:59:29.561904+00'),
	(68, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-24 00:58:29.561904+00'),
	(69, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-24 00:57:29.561904+00'),
	(70, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-24 00:56:29.561904+00'),
	(71, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-24 00:55:29.561904+00'),
	(72, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-24 00:54:29.561904+00'),
	(73, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-24 00:53:29.561904+00'),
	(74, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-24 00:52:29.561904+00'),
	(75, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-24 00:51:29.561904+00'),
	(76, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-24 00:50:29.561904+00'),
	(77, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-24 00:49:29.561904+00'),
	(78, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-24 00:48:29.561904+00'),
	(79, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-24 00:47:29.561904+00'),
	(80, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-24 00:46:29.561904+00'),
	(81, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-24 00:45:29.561904+00'),
	(82, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-24 00:44:29.561904+00'),
	(83, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-24 00:43:29.561904+00'),
	(84, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-24 00:42:29.561904+00'),
	(85, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-24 00:41:29.561904+00'),
	(86, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-24 00:40:29.561904+00'),
	(87, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-24 00:39:29.561904+00'),
	(88, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-24 00:38:29.561904+00'),
	(89, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-24 00:37:29.561904+00'),
	(90, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-24 00:36:29.561904+00'),
	(91, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-24 00:35:29.561904+00'),
	(92, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-24 00:34:29.561904+00'),
	(93, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-24 00:33:29.561904+00'),
	(94, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-24 00:32:29.561904+00'),
	(95, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-24 00:31:29.561904+00'),
	(96, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-24 00:30:29.561904+00'),
	(97, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-24 00:29:29.561904+00'),
	(98, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-24 00:28:29.561904+00'),
	(99, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-24 00:27:29.561904+00'),
	(100, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-24 00:26:29.561904+00'),
	(101, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 00:25:29.561904+00'),
	(102, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 00:24:29.561904+00'),
	(103, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 00:23:29.561904+00'),
	(104, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 00:22:29.561904+00'),
	(105, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 00:21:29.561904+00'),
	(106, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 00:20:29.561904+00'),
	(107, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 00:19:29.561904+00'),
	(108, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 00:18:29.561904+00'),
	(109, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 00:17:29.561904+00'),
	(110, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 00:16:29.561904+00'),
	(111, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 00:15:29.561904+00'),
	(112, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 00:14:29.561904+00'),
	(113, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 00:13:29.561904+00'),
	(114, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 00:12:29.561904+00'),
	(115, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 00:11:29.561904+00'),
	(116, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 00:10:29.561904+00'),
	(117, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 00:09:29.561904+00'),
	(118, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 00:08:29.561904+00'),
	(119, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 00:07:29.561904+00'),
	(120, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 00:06:29.561904+00'),
	(121, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 00:05:29.561904+00'),
	(122, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 00:04:29.561904+00'),
	(123, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 00:03:29.561904+00'),
	(124, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 00:02:29.561904+00'),
	(125, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 00:01:29.561904+00'),
	(126, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 00:00:29.561904+00'),
	(127, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 23:59:29.561904+00'),
	(128, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 23:58:29.561904+00'),
	(129, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 23:57:29.561904+00'),
	(130, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 23:56:29.561904+00'),
	(131, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 23:55:29.561904+00'),
	(132, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 23:54:29.561904+00'),
	(133, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 23:53:29.561904+00'),
	(134, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 23:52:29.561904+00'),
	(135, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 23:51:29.561904+00'),
	(136, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 23:50:29.561904+00'),
	(137, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 23:49:29.561904+00'),
	(138, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 23:48:29.561904+00'),
	(139, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 23:47:29.561904+00'),
	(140, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 23:46:29.561904+00'),
	(141, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 23:45:29.561904+00'),
	(142, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 23:44:29.561904+00'),
	(143, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 23:43:29.561904+00'),
	(144, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 23:42:29.561904+00'),
	(145, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 23:41:29.561904+00'),
	(146, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 23:40:29.561904+00'),
	(147, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 23:39:29.561904+00'),
	(148, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 23:38:29.561904+00'),
	(149, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 23:37:29.561904+00'),
	(150, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 23:36:29.561904+00'),
	(151, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-23 23:35:29.561904+00'),
	(152, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-23 23:34:29.561904+00'),
	(153, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-23 23:33:29.561904+00'),
	(154, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-23 23:32:29.561904+00'),
	(155, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-23 23:31:29.561904+00'),
	(156, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-23 23:30:29.561904+00'),
	(157, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-23 23:29:29.561904+00'),
	(158, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-23 23:28:29.561904+00'),
	(159, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-23 23:27:29.561904+00'),
	(160, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-23 23:26:29.561904+00'),
	(161, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-23 23:25:29.561904+00'),
	(162, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-23 23:24:29.561904+00'),
	(163, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-23 23:23:29.561904+00'),
	(164, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-23 23:22:29.561904+00'),
	(165, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-23 23:21:29.561904+00'),
	(166, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-23 23:20:29.561904+00'),
	(167, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-23 23:19:29.561904+00'),
	(168, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-23 23:18:29.561904+00'),
	(169, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-23 23:17:29.561904+00'),
	(170, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-23 23:16:29.561904+00'),
	(171, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-23 23:15:29.561904+00'),
	(172, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-23 23:14:29.561904+00'),
	(173, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-23 23:13:29.561904+00'),
	(174, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-23 23:12:29.561904+00'),
	(175, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-23 23:11:29.561904+00'),
	(176, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-23 23:10:29.561904+00'),
	(177, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-23 23:09:29.561904+00'),
	(178, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-23 23:08:29.561904+00'),
	(179, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-23 23:07:29.561904+00'),
	(180, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-23 23:06:29.561904+00'),
	(181, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-23 23:05:29.561904+00'),
	(182, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-23 23:04:29.561904+00'),
	(183, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-23 23:03:29.561904+00'),
	(184, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-23 23:02:29.561904+00'),
	(185, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-23 23:01:29.561904+00'),
	(186, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-23 23:00:29.561904+00'),
	(187, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-23 22:59:29.561904+00'),
	(188, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-23 22:58:29.561904+00'),
	(189, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-23 22:57:29.561904+00'),
	(190, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-23 22:56:29.561904+00'),
	(191, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-23 22:55:29.561904+00'),
	(192, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-23 22:54:29.561904+00'),
	(193, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-23 22:53:29.561904+00'),
	(194, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-23 22:52:29.561904+00'),
	(195, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-23 22:51:29.561904+00'),
	(196, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-23 22:50:29.561904+00'),
	(197, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-23 22:49:29.561904+00'),
	(198, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-23 22:48:29.561904+00'),
	(199, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-23 22:47:29.561904+00'),
	(200, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-23 22:46:29.561904+00'),
	(201, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-23 22:45:29.561904+00'),
	(202, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-23 22:44:29.561904+00'),
	(203, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-23 22:43:29.561904+00'),
	(204, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-23 22:42:29.561904+00'),
	(205, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-23 22:41:29.561904+00'),
	(206, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-23 22:40:29.561904+00'),
	(207, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-23 22:39:29.561904+00'),
	(208, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-23 22:38:29.561904+00'),
	(209, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-23 22:37:29.561904+00'),
	(210, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-23 22:36:29.561904+00'),
	(211, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-23 22:35:29.561904+00'),
	(212, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-23 22:34:29.561904+00'),
	(213, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-23 22:33:29.561904+00'),
	(214, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-23 22:32:29.561904+00'),
	(215, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-23 22:31:29.561904+00'),
	(216, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-23 22:30:29.561904+00'),
	(217, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-23 22:29:29.561904+00'),
	(218, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-23 22:28:29.561904+00'),
	(219, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-23 22:27:29.561904+00'),
	(220, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-23 22:26:29.561904+00'),
	(221, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-23 22:25:29.561904+00'),
	(222, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-23 22:24:29.561904+00'),
	(223, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-23 22:23:29.561904+00'),
	(224, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-23 22:22:29.561904+00'),
	(225, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-23 22:21:29.561904+00'),
	(226, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-23 22:20:29.561904+00'),
	(227, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 22:19:29.561904+00'),
	(228, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 22:18:29.561904+00'),
	(229, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 22:17:29.561904+00'),
	(230, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 22:16:29.561904+00'),
	(231, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 22:15:29.561904+00'),
	(232, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 22:14:29.561904+00'),
	(233, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 22:13:29.561904+00'),
	(234, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 22:12:29.561904+00'),
	(235, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 22:11:29.561904+00'),
	(236, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 22:10:29.561904+00'),
	(237, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 22:09:29.561904+00'),
	(238, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 22:08:29.561904+00'),
	(239, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 22:07:29.561904+00'),
	(240, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 22:06:29.561904+00'),
	(241, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 22:05:29.561904+00'),
	(242, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 22:04:29.561904+00'),
	(243, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 22:03:29.561904+00'),
	(244, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 22:02:29.561904+00'),
	(245, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 22:01:29.561904+00'),
	(246, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 22:00:29.561904+00'),
	(247, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 21:59:29.561904+00'),
	(248, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 21:58:29.561904+00'),
	(249, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 21:57:29.561904+00'),
	(250, 7, 1, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 21:56:29.561904+00'),
	(251, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 02:05:29.561904+00'),
	(252, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 02:04:29.561904+00'),
	(253, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 02:03:29.561904+00'),
	(254, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 02:02:29.561904+00'),
	(255, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 02:01:29.561904+00'),
	(256, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 02:00:29.561904+00'),
	(257, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 01:59:29.561904+00'),
	(258, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 01:58:29.561904+00'),
	(259, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 01:57:29.561904+00'),
	(260, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 01:56:29.561904+00'),
	(261, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 01:55:29.561904+00'),
	(262, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 01:54:29.561904+00'),
	(263, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 01:53:29.561904+00'),
	(264, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 01:52:29.561904+00'),
	(265, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 01:51:29.561904+00'),
	(266, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 01:50:29.561904+00'),
	(267, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 01:49:29.561904+00'),
	(268, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 01:48:29.561904+00'),
	(269, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 01:47:29.561904+00'),
	(270, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 01:46:29.561904+00'),
	(271, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 01:45:29.561904+00'),
	(272, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 01:44:29.561904+00'),
	(273, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 01:43:29.561904+00'),
	(274, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 01:42:29.561904+00'),
	(275, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 01:41:29.561904+00'),
	(276, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 01:40:29.561904+00'),
	(277, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-24 01:39:29.561904+00'),
	(278, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-24 01:38:29.561904+00'),
	(279, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-24 01:37:29.561904+00'),
	(280, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-24 01:36:29.561904+00'),
	(281, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-24 01:35:29.561904+00'),
	(282, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-24 01:34:29.561904+00'),
	(283, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-24 01:33:29.561904+00'),
	(284, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-24 01:32:29.561904+00'),
	(285, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-24 01:31:29.561904+00'),
	(286, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-24 01:30:29.561904+00'),
	(287, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-24 01:29:29.561904+00'),
	(288, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-24 01:28:29.561904+00'),
	(289, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-24 01:27:29.561904+00'),
	(290, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-24 01:26:29.561904+00'),
	(291, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-24 01:25:29.561904+00'),
	(292, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-24 01:24:29.561904+00'),
	(293, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-24 01:23:29.561904+00'),
	(294, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-24 01:22:29.561904+00'),
	(295, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-24 01:21:29.561904+00'),
	(296, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-24 01:20:29.561904+00'),
	(297, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-24 01:19:29.561904+00'),
	(298, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-24 01:18:29.561904+00'),
	(299, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-24 01:17:29.561904+00'),
	(300, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-24 01:16:29.561904+00'),
	(301, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-24 01:15:29.561904+00'),
	(302, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-24 01:14:29.561904+00'),
	(303, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-24 01:13:29.561904+00'),
	(304, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-24 01:12:29.561904+00'),
	(305, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-24 01:11:29.561904+00'),
	(306, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-24 01:10:29.561904+00'),
	(307, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-24 01:09:29.561904+00'),
	(308, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-24 01:08:29.561904+00'),
	(309, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-24 01:07:29.561904+00'),
	(310, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-24 01:06:29.561904+00'),
	(311, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-24 01:05:29.561904+00'),
	(312, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-24 01:04:29.561904+00'),
	(313, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-24 01:03:29.561904+00'),
	(314, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-24 01:02:29.561904+00'),
	(315, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-24 01:01:29.561904+00'),
	(316, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-24 01:00:29.561904+00'),
	(317, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-24 00:59:29.561904+00'),
	(318, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-24 00:58:29.561904+00'),
	(319, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-24 00:57:29.561904+00'),
	(320, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-24 00:56:29.561904+00'),
	(321, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-24 00:55:29.561904+00'),
	(322, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-24 00:54:29.561904+00'),
	(323, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-24 00:53:29.561904+00'),
	(324, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-24 00:52:29.561904+00'),
	(325, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-24 00:51:29.561904+00'),
	(326, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-24 00:50:29.561904+00'),
	(327, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-24 00:49:29.561904+00'),
	(328, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-24 00:48:29.561904+00'),
	(329, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-24 00:47:29.561904+00'),
	(330, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-24 00:46:29.561904+00'),
	(331, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-24 00:45:29.561904+00'),
	(332, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-24 00:44:29.561904+00'),
	(333, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-24 00:43:29.561904+00'),
	(334, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-24 00:42:29.561904+00'),
	(335, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-24 00:41:29.561904+00'),
	(336, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-24 00:40:29.561904+00'),
	(337, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-24 00:39:29.561904+00'),
	(338, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-24 00:38:29.561904+00'),
	(339, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-24 00:37:29.561904+00'),
	(340, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-24 00:36:29.561904+00'),
	(341, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-24 00:35:29.561904+00'),
	(342, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-24 00:34:29.561904+00'),
	(343, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-24 00:33:29.561904+00'),
	(344, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-24 00:32:29.561904+00'),
	(345, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-24 00:31:29.561904+00'),
	(346, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-24 00:30:29.561904+00'),
	(347, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-24 00:29:29.561904+00'),
	(348, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-24 00:28:29.561904+00'),
	(349, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-24 00:27:29.561904+00'),
	(350, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-24 00:26:29.561904+00'),
	(351, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 00:25:29.561904+00'),
	(352, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 00:24:29.561904+00'),
	(353, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 00:23:29.561904+00'),
	(354, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 00:22:29.561904+00'),
	(355, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 00:21:29.561904+00'),
	(356, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 00:20:29.561904+00'),
	(357, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 00:19:29.561904+00'),
	(358, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 00:18:29.561904+00'),
	(359, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 00:17:29.561904+00'),
	(360, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 00:16:29.561904+00'),
	(361, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 00:15:29.561904+00'),
	(362, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 00:14:29.561904+00'),
	(363, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 00:13:29.561904+00'),
	(364, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 00:12:29.561904+00'),
	(365, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 00:11:29.561904+00'),
	(366, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 00:10:29.561904+00'),
	(367, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 00:09:29.561904+00'),
	(368, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 00:08:29.561904+00'),
	(369, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 00:07:29.561904+00'),
	(370, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 00:06:29.561904+00'),
	(371, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 00:05:29.561904+00'),
	(372, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 00:04:29.561904+00'),
	(373, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 00:03:29.561904+00'),
	(374, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 00:02:29.561904+00'),
	(375, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 00:01:29.561904+00'),
	(376, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 00:00:29.561904+00'),
	(377, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 23:59:29.561904+00'),
	(378, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 23:58:29.561904+00'),
	(379, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 23:57:29.561904+00'),
	(380, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 23:56:29.561904+00'),
	(381, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 23:55:29.561904+00'),
	(382, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 23:54:29.561904+00'),
	(383, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 23:53:29.561904+00'),
	(384, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 23:52:29.561904+00'),
	(385, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 23:51:29.561904+00'),
	(386, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 23:50:29.561904+00'),
	(387, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 23:49:29.561904+00'),
	(388, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 23:48:29.561904+00'),
	(389, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 23:47:29.561904+00'),
	(390, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 23:46:29.561904+00'),
	(391, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 23:45:29.561904+00'),
	(392, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 23:44:29.561904+00'),
	(393, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 23:43:29.561904+00'),
	(394, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 23:42:29.561904+00'),
	(395, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 23:41:29.561904+00'),
	(396, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 23:40:29.561904+00'),
	(397, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 23:39:29.561904+00'),
	(398, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 23:38:29.561904+00'),
	(399, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 23:37:29.561904+00'),
	(400, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 23:36:29.561904+00'),
	(401, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-23 23:35:29.561904+00'),
	(402, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-23 23:34:29.561904+00'),
	(403, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-23 23:33:29.561904+00'),
	(404, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-23 23:32:29.561904+00'),
	(405, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-23 23:31:29.561904+00'),
	(406, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-23 23:30:29.561904+00'),
	(407, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-23 23:29:29.561904+00'),
	(408, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-23 23:28:29.561904+00'),
	(409, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-23 23:27:29.561904+00'),
	(410, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-23 23:26:29.561904+00'),
	(411, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-23 23:25:29.561904+00'),
	(412, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-23 23:24:29.561904+00'),
	(413, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-23 23:23:29.561904+00'),
	(414, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-23 23:22:29.561904+00'),
	(415, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-23 23:21:29.561904+00'),
	(416, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-23 23:20:29.561904+00'),
	(417, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-23 23:19:29.561904+00'),
	(418, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-23 23:18:29.561904+00'),
	(419, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-23 23:17:29.561904+00'),
	(420, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-23 23:16:29.561904+00'),
	(421, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-23 23:15:29.561904+00'),
	(422, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-23 23:14:29.561904+00'),
	(423, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-23 23:13:29.561904+00'),
	(424, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-23 23:12:29.561904+00'),
	(425, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-23 23:11:29.561904+00'),
	(426, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-23 23:10:29.561904+00'),
	(427, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-23 23:09:29.561904+00'),
	(428, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-23 23:08:29.561904+00'),
	(429, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-23 23:07:29.561904+00'),
	(430, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-23 23:06:29.561904+00'),
	(431, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-23 23:05:29.561904+00'),
	(432, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-23 23:04:29.561904+00'),
	(433, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-23 23:03:29.561904+00'),
	(434, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-23 23:02:29.561904+00'),
	(435, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-23 23:01:29.561904+00'),
	(436, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-23 23:00:29.561904+00'),
	(437, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-23 22:59:29.561904+00'),
	(438, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-23 22:58:29.561904+00'),
	(439, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-23 22:57:29.561904+00'),
	(440, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-23 22:56:29.561904+00'),
	(441, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-23 22:55:29.561904+00'),
	(442, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-23 22:54:29.561904+00'),
	(443, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-23 22:53:29.561904+00'),
	(444, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-23 22:52:29.561904+00'),
	(445, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-23 22:51:29.561904+00'),
	(446, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-23 22:50:29.561904+00'),
	(447, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-23 22:49:29.561904+00'),
	(448, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-23 22:48:29.561904+00'),
	(449, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-23 22:47:29.561904+00'),
	(450, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-23 22:46:29.561904+00'),
	(451, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-23 22:45:29.561904+00'),
	(452, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-23 22:44:29.561904+00'),
	(453, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-23 22:43:29.561904+00'),
	(454, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-23 22:42:29.561904+00'),
	(455, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-23 22:41:29.561904+00'),
	(456, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-23 22:40:29.561904+00'),
	(457, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-23 22:39:29.561904+00'),
	(458, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-23 22:38:29.561904+00'),
	(459, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-23 22:37:29.561904+00'),
	(460, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-23 22:36:29.561904+00'),
	(461, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-23 22:35:29.561904+00'),
	(462, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-23 22:34:29.561904+00'),
	(463, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-23 22:33:29.561904+00'),
	(464, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-23 22:32:29.561904+00'),
	(465, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-23 22:31:29.561904+00'),
	(466, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-23 22:30:29.561904+00'),
	(467, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-23 22:29:29.561904+00'),
	(468, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-23 22:28:29.561904+00'),
	(469, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-23 22:27:29.561904+00'),
	(470, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-23 22:26:29.561904+00'),
	(471, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-23 22:25:29.561904+00'),
	(472, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-23 22:24:29.561904+00'),
	(473, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-23 22:23:29.561904+00'),
	(474, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-23 22:22:29.561904+00'),
	(475, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-23 22:21:29.561904+00'),
	(476, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-23 22:20:29.561904+00'),
	(477, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 22:19:29.561904+00'),
	(478, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 22:18:29.561904+00'),
	(479, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 22:17:29.561904+00'),
	(480, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 22:16:29.561904+00'),
	(481, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 22:15:29.561904+00'),
	(482, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 22:14:29.561904+00'),
	(483, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 22:13:29.561904+00'),
	(484, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 22:12:29.561904+00'),
	(485, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 22:11:29.561904+00'),
	(486, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 22:10:29.561904+00'),
	(487, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 22:09:29.561904+00'),
	(488, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 22:08:29.561904+00'),
	(489, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 22:07:29.561904+00'),
	(490, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 22:06:29.561904+00'),
	(491, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 22:05:29.561904+00'),
	(492, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 22:04:29.561904+00'),
	(493, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 22:03:29.561904+00'),
	(494, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 22:02:29.561904+00'),
	(495, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 22:01:29.561904+00'),
	(496, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 22:00:29.561904+00'),
	(497, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 21:59:29.561904+00'),
	(498, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 21:58:29.561904+00'),
	(499, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 21:57:29.561904+00'),
	(500, 8, 2, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 21:56:29.561904+00');
INSERT INTO public.usage_logs VALUES
	(501, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 02:05:29.561904+00'),
	(502, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 02:04:29.561904+00'),
	(503, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 02:03:29.561904+00'),
	(504, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 02:02:29.561904+00'),
	(505, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 02:01:29.561904+00'),
	(506, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 02:00:29.561904+00'),
	(507, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 01:59:29.561904+00'),
	(508, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 01:58:29.561904+00'),
	(509, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 01:57:29.561904+00'),
	(510, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 01:56:29.561904+00'),
	(511, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 01:55:29.561904+00'),
	(512, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 01:54:29.561904+00'),
	(513, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 01:53:29.561904+00'),
	(514, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 01:52:29.561904+00'),
	(515, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 01:51:29.561904+00'),
	(516, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 01:50:29.561904+00'),
	(517, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 01:49:29.561904+00'),
	(518, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 01:48:29.561904+00'),
	(519, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 01:47:29.561904+00'),
	(520, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 01:46:29.561904+00'),
	(521, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 01:45:29.561904+00'),
	(522, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 01:44:29.561904+00'),
	(523, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 01:43:29.561904+00'),
	(524, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 01:42:29.561904+00'),
	(525, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 01:41:29.561904+00'),
	(526, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 01:40:29.561904+00'),
	(527, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-24 01:39:29.561904+00'),
	(528, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-24 01:38:29.561904+00'),
	(529, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-24 01:37:29.561904+00'),
	(530, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-24 01:36:29.561904+00'),
	(531, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-24 01:35:29.561904+00'),
	(532, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-24 01:34:29.561904+00'),
	(533, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-24 01:33:29.561904+00'),
	(534, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-24 01:32:29.561904+00'),
	(535, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-24 01:31:29.561904+00'),
	(536, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-24 01:30:29.561904+00'),
	(537, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-24 01:29:29.561904+00'),
	(538, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-24 01:28:29.561904+00'),
	(539, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-24 01:27:29.561904+00'),
	(540, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-24 01:26:29.561904+00'),
	(541, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-24 01:25:29.561904+00'),
	(542, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-24 01:24:29.561904+00'),
	(543, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-24 01:23:29.561904+00'),
	(544, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-24 01:22:29.561904+00'),
	(545, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-24 01:21:29.561904+00'),
	(546, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-24 01:20:29.561904+00'),
	(547, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-24 01:19:29.561904+00'),
	(548, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-24 01:18:29.561904+00'),
	(549, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-24 01:17:29.561904+00'),
	(550, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-24 01:16:29.561904+00'),
	(551, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-24 01:15:29.561904+00'),
	(552, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-24 01:14:29.561904+00'),
	(553, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-24 01:13:29.561904+00'),
	(554, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-24 01:12:29.561904+00'),
	(555, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-24 01:11:29.561904+00'),
	(556, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-24 01:10:29.561904+00'),
	(557, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-24 01:09:29.561904+00'),
	(558, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-24 01:08:29.561904+00'),
	(559, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-24 01:07:29.561904+00'),
	(560, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-24 01:06:29.561904+00'),
	(561, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-24 01:05:29.561904+00'),
	(562, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-24 01:04:29.561904+00'),
	(563, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-24 01:03:29.561904+00'),
	(564, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-24 01:02:29.561904+00'),
	(565, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-24 01:01:29.561904+00'),
	(566, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-24 01:00:29.561904+00'),
	(567, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-24 00:59:29.561904+00'),
	(568, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-24 00:58:29.561904+00'),
	(569, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-24 00:57:29.561904+00'),
	(570, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-24 00:56:29.561904+00'),
	(571, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-24 00:55:29.561904+00'),
	(572, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-24 00:54:29.561904+00'),
	(573, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-24 00:53:29.561904+00'),
	(574, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-24 00:52:29.561904+00'),
	(575, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-24 00:51:29.561904+00'),
	(576, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-24 00:50:29.561904+00'),
	(577, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-24 00:49:29.561904+00'),
	(578, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-24 00:48:29.561904+00'),
	(579, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-24 00:47:29.561904+00'),
	(580, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-24 00:46:29.561904+00'),
	(581, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-24 00:45:29.561904+00'),
	(582, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-24 00:44:29.561904+00'),
	(583, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-24 00:43:29.561904+00'),
	(584, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-24 00:42:29.561904+00'),
	(585, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-24 00:41:29.561904+00'),
	(586, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-24 00:40:29.561904+00'),
	(587, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-24 00:39:29.561904+00'),
	(588, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-24 00:38:29.561904+00'),
	(589, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-24 00:37:29.561904+00'),
	(590, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-24 00:36:29.561904+00'),
	(591, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-24 00:35:29.561904+00'),
	(592, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-24 00:34:29.561904+00'),
	(593, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-24 00:33:29.561904+00'),
	(594, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-24 00:32:29.561904+00'),
	(595, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-24 00:31:29.561904+00'),
	(596, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-24 00:30:29.561904+00'),
	(597, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-24 00:29:29.561904+00'),
	(598, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-24 00:28:29.561904+00'),
	(599, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-24 00:27:29.561904+00'),
	(600, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-24 00:26:29.561904+00'),
	(601, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 00:25:29.561904+00'),
	(602, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 00:24:29.561904+00'),
	(603, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 00:23:29.561904+00'),
	(604, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 00:22:29.561904+00'),
	(605, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 00:21:29.561904+00'),
	(606, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 00:20:29.561904+00'),
	(607, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 00:19:29.561904+00'),
	(608, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 00:18:29.561904+00'),
	(609, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 00:17:29.561904+00'),
	(610, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 00:16:29.561904+00'),
	(611, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 00:15:29.561904+00'),
	(612, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 00:14:29.561904+00'),
	(613, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 00:13:29.561904+00'),
	(614, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 00:12:29.561904+00'),
	(615, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 00:11:29.561904+00'),
	(616, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 00:10:29.561904+00'),
	(617, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 00:09:29.561904+00'),
	(618, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 00:08:29.561904+00'),
	(619, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 00:07:29.561904+00'),
	(620, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 00:06:29.561904+00'),
	(621, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 00:05:29.561904+00'),
	(622, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 00:04:29.561904+00'),
	(623, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 00:03:29.561904+00'),
	(624, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 00:02:29.561904+00'),
	(625, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 00:01:29.561904+00'),
	(626, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 00:00:29.561904+00'),
	(627, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 23:59:29.561904+00'),
	(628, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 23:58:29.561904+00'),
	(629, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 23:57:29.561904+00'),
	(630, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 23:56:29.561904+00'),
	(631, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 23:55:29.561904+00'),
	(632, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 23:54:29.561904+00'),
	(633, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 23:53:29.561904+00'),
	(634, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 23:52:29.561904+00'),
	(635, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 23:51:29.561904+00'),
	(636, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 23:50:29.561904+00'),
	(637, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 23:49:29.561904+00'),
	(638, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 23:48:29.561904+00'),
	(639, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 23:47:29.561904+00'),
	(640, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 23:46:29.561904+00'),
	(641, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 23:45:29.561904+00'),
	(642, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 23:44:29.561904+00'),
	(643, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 23:43:29.561904+00'),
	(644, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 23:42:29.561904+00'),
	(645, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 23:41:29.561904+00'),
	(646, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 23:40:29.561904+00'),
	(647, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 23:39:29.561904+00'),
	(648, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 23:38:29.561904+00'),
	(649, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 23:37:29.561904+00'),
	(650, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 23:36:29.561904+00'),
	(651, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-23 23:35:29.561904+00'),
	(652, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-23 23:34:29.561904+00'),
	(653, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-23 23:33:29.561904+00'),
	(654, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-23 23:32:29.561904+00'),
	(655, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-23 23:31:29.561904+00'),
	(656, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-23 23:30:29.561904+00'),
	(657, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-23 23:29:29.561904+00'),
	(658, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-23 23:28:29.561904+00'),
	(659, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-23 23:27:29.561904+00'),
	(660, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-23 23:26:29.561904+00'),
	(661, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-23 23:25:29.561904+00'),
	(662, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-23 23:24:29.561904+00'),
	(663, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-23 23:23:29.561904+00'),
	(664, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-23 23:22:29.561904+00'),
	(665, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-23 23:21:29.561904+00'),
	(666, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-23 23:20:29.561904+00'),
	(667, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-23 23:19:29.561904+00'),
	(668, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-23 23:18:29.561904+00'),
	(669, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-23 23:17:29.561904+00'),
	(670, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-23 23:16:29.561904+00'),
	(671, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-23 23:15:29.561904+00'),
	(672, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-23 23:14:29.561904+00'),
	(673, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-23 23:13:29.561904+00'),
	(674, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-23 23:12:29.561904+00'),
	(675, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-23 23:11:29.561904+00'),
	(676, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-23 23:10:29.561904+00'),
	(677, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-23 23:09:29.561904+00'),
	(678, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-23 23:08:29.561904+00'),
	(679, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-23 23:07:29.561904+00'),
	(680, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-23 23:06:29.561904+00'),
	(681, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-23 23:05:29.561904+00'),
	(682, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-23 23:04:29.561904+00'),
	(683, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-23 23:03:29.561904+00'),
	(684, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-23 23:02:29.561904+00'),
	(685, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-23 23:01:29.561904+00'),
	(686, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-23 23:00:29.561904+00'),
	(687, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-23 22:59:29.561904+00'),
	(688, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-23 22:58:29.561904+00'),
	(689, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-23 22:57:29.561904+00'),
	(690, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-23 22:56:29.561904+00'),
	(691, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-23 22:55:29.561904+00'),
	(692, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-23 22:54:29.561904+00'),
	(693, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-23 22:53:29.561904+00'),
	(694, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-23 22:52:29.561904+00'),
	(695, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-23 22:51:29.561904+00'),
	(696, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-23 22:50:29.561904+00'),
	(697, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-23 22:49:29.561904+00'),
	(698, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-23 22:48:29.561904+00'),
	(699, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-23 22:47:29.561904+00'),
	(700, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-23 22:46:29.561904+00'),
	(701, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-23 22:45:29.561904+00'),
	(702, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-23 22:44:29.561904+00'),
	(703, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-23 22:43:29.561904+00'),
	(704, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-23 22:42:29.561904+00'),
	(705, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-23 22:41:29.561904+00'),
	(706, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-23 22:40:29.561904+00'),
	(707, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-23 22:39:29.561904+00'),
	(708, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-23 22:38:29.561904+00'),
	(709, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-23 22:37:29.561904+00'),
	(710, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-23 22:36:29.561904+00'),
	(711, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-23 22:35:29.561904+00'),
	(712, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-23 22:34:29.561904+00'),
	(713, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-23 22:33:29.561904+00'),
	(714, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-23 22:32:29.561904+00'),
	(715, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-23 22:31:29.561904+00'),
	(716, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-23 22:30:29.561904+00'),
	(717, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-23 22:29:29.561904+00'),
	(718, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-23 22:28:29.561904+00'),
	(719, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-23 22:27:29.561904+00'),
	(720, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-23 22:26:29.561904+00'),
	(721, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-23 22:25:29.561904+00'),
	(722, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-23 22:24:29.561904+00'),
	(723, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-23 22:23:29.561904+00'),
	(724, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-23 22:22:29.561904+00'),
	(725, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-23 22:21:29.561904+00'),
	(726, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-23 22:20:29.561904+00'),
	(727, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 22:19:29.561904+00'),
	(728, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 22:18:29.561904+00'),
	(729, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 22:17:29.561904+00'),
	(730, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 22:16:29.561904+00'),
	(731, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 22:15:29.561904+00'),
	(732, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 22:14:29.561904+00'),
	(733, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 22:13:29.561904+00'),
	(734, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 22:12:29.561904+00'),
	(735, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 22:11:29.561904+00'),
	(736, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 22:10:29.561904+00'),
	(737, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 22:09:29.561904+00'),
	(738, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 22:08:29.561904+00'),
	(739, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 22:07:29.561904+00'),
	(740, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 22:06:29.561904+00'),
	(741, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 22:05:29.561904+00'),
	(742, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 22:04:29.561904+00'),
	(743, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 22:03:29.561904+00'),
	(744, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 22:02:29.561904+00'),
	(745, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 22:01:29.561904+00'),
	(746, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 22:00:29.561904+00'),
	(747, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 21:59:29.561904+00'),
	(748, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 21:58:29.561904+00'),
	(749, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 21:57:29.561904+00'),
	(750, 1, 3, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 21:56:29.561904+00'),
	(751, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 02:05:29.561904+00'),
	(752, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 02:04:29.561904+00'),
	(753, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 02:03:29.561904+00'),
	(754, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 02:02:29.561904+00'),
	(755, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 02:01:29.561904+00'),
	(756, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 02:00:29.561904+00'),
	(757, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 01:59:29.561904+00'),
	(758, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 01:58:29.561904+00'),
	(759, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 01:57:29.561904+00'),
	(760, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 01:56:29.561904+00'),
	(761, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 01:55:29.561904+00'),
	(762, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 01:54:29.561904+00'),
	(763, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 01:53:29.561904+00'),
	(764, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 01:52:29.561904+00'),
	(765, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 01:51:29.561904+00'),
	(766, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 01:50:29.561904+00'),
	(767, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 01:49:29.561904+00'),
	(768, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 01:48:29.561904+00'),
	(769, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 01:47:29.561904+00'),
	(770, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 01:46:29.561904+00'),
	(771, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 01:45:29.561904+00'),
	(772, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 01:44:29.561904+00'),
	(773, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 01:43:29.561904+00'),
	(774, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 01:42:29.561904+00'),
	(775, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 01:41:29.561904+00'),
	(776, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 01:40:29.561904+00'),
	(777, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-24 01:39:29.561904+00'),
	(778, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-24 01:38:29.561904+00'),
	(779, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-24 01:37:29.561904+00'),
	(780, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-24 01:36:29.561904+00'),
	(781, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-24 01:35:29.561904+00'),
	(782, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-24 01:34:29.561904+00'),
	(783, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-24 01:33:29.561904+00'),
	(784, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-24 01:32:29.561904+00'),
	(785, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-24 01:31:29.561904+00'),
	(786, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-24 01:30:29.561904+00'),
	(787, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-24 01:29:29.561904+00'),
	(788, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-24 01:28:29.561904+00'),
	(789, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-24 01:27:29.561904+00'),
	(790, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-24 01:26:29.561904+00'),
	(791, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-24 01:25:29.561904+00'),
	(792, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-24 01:24:29.561904+00'),
	(793, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-24 01:23:29.561904+00'),
	(794, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-24 01:22:29.561904+00'),
	(795, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-24 01:21:29.561904+00'),
	(796, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-24 01:20:29.561904+00'),
	(797, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-24 01:19:29.561904+00'),
	(798, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-24 01:18:29.561904+00'),
	(799, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-24 01:17:29.561904+00'),
	(800, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-24 01:16:29.561904+00'),
	(801, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-24 01:15:29.561904+00'),
	(802, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-24 01:14:29.561904+00'),
	(803, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-24 01:13:29.561904+00'),
	(804, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-24 01:12:29.561904+00'),
	(805, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-24 01:11:29.561904+00'),
	(806, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-24 01:10:29.561904+00'),
	(807, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-24 01:09:29.561904+00'),
	(808, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-24 01:08:29.561904+00'),
	(809, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-24 01:07:29.561904+00'),
	(810, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-24 01:06:29.561904+00'),
	(811, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-24 01:05:29.561904+00'),
	(812, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-24 01:04:29.561904+00'),
	(813, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-24 01:03:29.561904+00'),
	(814, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-24 01:02:29.561904+00'),
	(815, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-24 01:01:29.561904+00'),
	(816, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-24 01:00:29.561904+00'),
	(817, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-24 00:59:29.561904+00'),
	(818, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-24 00:58:29.561904+00'),
	(819, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-24 00:57:29.561904+00'),
	(820, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-24 00:56:29.561904+00'),
	(821, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-24 00:55:29.561904+00'),
	(822, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-24 00:54:29.561904+00'),
	(823, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-24 00:53:29.561904+00'),
	(824, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-24 00:52:29.561904+00'),
	(825, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-24 00:51:29.561904+00'),
	(826, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-24 00:50:29.561904+00'),
	(827, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-24 00:49:29.561904+00'),
	(828, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-24 00:48:29.561904+00'),
	(829, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-24 00:47:29.561904+00'),
	(830, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-24 00:46:29.561904+00'),
	(831, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-24 00:45:29.561904+00'),
	(832, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-24 00:44:29.561904+00'),
	(833, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-24 00:43:29.561904+00'),
	(834, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-24 00:42:29.561904+00'),
	(835, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-24 00:41:29.561904+00'),
	(836, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-24 00:40:29.561904+00'),
	(837, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-24 00:39:29.561904+00'),
	(838, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-24 00:38:29.561904+00'),
	(839, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-24 00:37:29.561904+00'),
	(840, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-24 00:36:29.561904+00'),
	(841, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-24 00:35:29.561904+00'),
	(842, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-24 00:34:29.561904+00'),
	(843, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-24 00:33:29.561904+00'),
	(844, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-24 00:32:29.561904+00'),
	(845, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-24 00:31:29.561904+00'),
	(846, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-24 00:30:29.561904+00'),
	(847, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-24 00:29:29.561904+00'),
	(848, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-24 00:28:29.561904+00'),
	(849, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-24 00:27:29.561904+00'),
	(850, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-24 00:26:29.561904+00'),
	(851, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-24 00:25:29.561904+00'),
	(852, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-24 00:24:29.561904+00'),
	(853, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-24 00:23:29.561904+00'),
	(854, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-24 00:22:29.561904+00'),
	(855, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-24 00:21:29.561904+00'),
	(856, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-24 00:20:29.561904+00'),
	(857, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-24 00:19:29.561904+00'),
	(858, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-24 00:18:29.561904+00'),
	(859, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-24 00:17:29.561904+00'),
	(860, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-24 00:16:29.561904+00'),
	(861, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-24 00:15:29.561904+00'),
	(862, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-24 00:14:29.561904+00'),
	(863, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-24 00:13:29.561904+00'),
	(864, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-24 00:12:29.561904+00'),
	(865, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-24 00:11:29.561904+00'),
	(866, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-24 00:10:29.561904+00'),
	(867, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-24 00:09:29.561904+00'),
	(868, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-24 00:08:29.561904+00'),
	(869, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-24 00:07:29.561904+00'),
	(870, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-24 00:06:29.561904+00'),
	(871, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-24 00:05:29.561904+00'),
	(872, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-24 00:04:29.561904+00'),
	(873, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-24 00:03:29.561904+00'),
	(874, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-24 00:02:29.561904+00'),
	(875, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-24 00:01:29.561904+00'),
	(876, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-24 00:00:29.561904+00'),
	(877, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 23:59:29.561904+00'),
	(878, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 23:58:29.561904+00'),
	(879, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 23:57:29.561904+00'),
	(880, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 23:56:29.561904+00'),
	(881, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 23:55:29.561904+00'),
	(882, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 23:54:29.561904+00'),
	(883, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 23:53:29.561904+00'),
	(884, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 23:52:29.561904+00'),
	(885, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 23:51:29.561904+00'),
	(886, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 23:50:29.561904+00'),
	(887, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 23:49:29.561904+00'),
	(888, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 23:48:29.561904+00'),
	(889, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 23:47:29.561904+00'),
	(890, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 23:46:29.561904+00'),
	(891, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 23:45:29.561904+00'),
	(892, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 23:44:29.561904+00'),
	(893, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 23:43:29.561904+00'),
	(894, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 23:42:29.561904+00'),
	(895, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 23:41:29.561904+00'),
	(896, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 23:40:29.561904+00'),
	(897, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 23:39:29.561904+00'),
	(898, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 23:38:29.561904+00'),
	(899, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 23:37:29.561904+00'),
	(900, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 23:36:29.561904+00'),
	(901, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0051, '2026-11-23 23:35:29.561904+00'),
	(902, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0052, '2026-11-23 23:34:29.561904+00'),
	(903, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0053, '2026-11-23 23:33:29.561904+00'),
	(904, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0054, '2026-11-23 23:32:29.561904+00'),
	(905, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0055, '2026-11-23 23:31:29.561904+00'),
	(906, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0056, '2026-11-23 23:30:29.561904+00'),
	(907, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0057, '2026-11-23 23:29:29.561904+00'),
	(908, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0058, '2026-11-23 23:28:29.561904+00'),
	(909, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0059, '2026-11-23 23:27:29.561904+00'),
	(910, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.006, '2026-11-23 23:26:29.561904+00'),
	(911, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0061, '2026-11-23 23:25:29.561904+00'),
	(912, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0062, '2026-11-23 23:24:29.561904+00'),
	(913, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0063, '2026-11-23 23:23:29.561904+00'),
	(914, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0064, '2026-11-23 23:22:29.561904+00'),
	(915, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0065, '2026-11-23 23:21:29.561904+00'),
	(916, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0066, '2026-11-23 23:20:29.561904+00'),
	(917, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0067, '2026-11-23 23:19:29.561904+00'),
	(918, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0068, '2026-11-23 23:18:29.561904+00'),
	(919, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0069, '2026-11-23 23:17:29.561904+00'),
	(920, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.007, '2026-11-23 23:16:29.561904+00'),
	(921, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0071, '2026-11-23 23:15:29.561904+00'),
	(922, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0072, '2026-11-23 23:14:29.561904+00'),
	(923, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0073, '2026-11-23 23:13:29.561904+00'),
	(924, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0074, '2026-11-23 23:12:29.561904+00'),
	(925, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0075, '2026-11-23 23:11:29.561904+00'),
	(926, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0076, '2026-11-23 23:10:29.561904+00'),
	(927, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0077, '2026-11-23 23:09:29.561904+00'),
	(928, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0078, '2026-11-23 23:08:29.561904+00'),
	(929, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0079, '2026-11-23 23:07:29.561904+00'),
	(930, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.008, '2026-11-23 23:06:29.561904+00'),
	(931, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0081, '2026-11-23 23:05:29.561904+00'),
	(932, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0082, '2026-11-23 23:04:29.561904+00'),
	(933, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0083, '2026-11-23 23:03:29.561904+00'),
	(934, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0084, '2026-11-23 23:02:29.561904+00'),
	(935, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0085, '2026-11-23 23:01:29.561904+00'),
	(936, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0086, '2026-11-23 23:00:29.561904+00'),
	(937, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0087, '2026-11-23 22:59:29.561904+00'),
	(938, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0088, '2026-11-23 22:58:29.561904+00'),
	(939, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0089, '2026-11-23 22:57:29.561904+00'),
	(940, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.009, '2026-11-23 22:56:29.561904+00'),
	(941, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0091, '2026-11-23 22:55:29.561904+00'),
	(942, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0092, '2026-11-23 22:54:29.561904+00'),
	(943, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0093, '2026-11-23 22:53:29.561904+00'),
	(944, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0094, '2026-11-23 22:52:29.561904+00'),
	(945, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0095, '2026-11-23 22:51:29.561904+00'),
	(946, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0096, '2026-11-23 22:50:29.561904+00'),
	(947, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0097, '2026-11-23 22:49:29.561904+00'),
	(948, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0098, '2026-11-23 22:48:29.561904+00'),
	(949, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0099, '2026-11-23 22:47:29.561904+00'),
	(950, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0, '2026-11-23 22:46:29.561904+00'),
	(951, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0001, '2026-11-23 22:45:29.561904+00'),
	(952, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0002, '2026-11-23 22:44:29.561904+00'),
	(953, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0003, '2026-11-23 22:43:29.561904+00'),
	(954, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0004, '2026-11-23 22:42:29.561904+00'),
	(955, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0005, '2026-11-23 22:41:29.561904+00'),
	(956, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0006, '2026-11-23 22:40:29.561904+00'),
	(957, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0007, '2026-11-23 22:39:29.561904+00'),
	(958, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0008, '2026-11-23 22:38:29.561904+00'),
	(959, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0009, '2026-11-23 22:37:29.561904+00'),
	(960, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.001, '2026-11-23 22:36:29.561904+00'),
	(961, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0011, '2026-11-23 22:35:29.561904+00'),
	(962, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0012, '2026-11-23 22:34:29.561904+00'),
	(963, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0013, '2026-11-23 22:33:29.561904+00'),
	(964, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0014, '2026-11-23 22:32:29.561904+00'),
	(965, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0015, '2026-11-23 22:31:29.561904+00'),
	(966, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0016, '2026-11-23 22:30:29.561904+00'),
	(967, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0017, '2026-11-23 22:29:29.561904+00'),
	(968, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0018, '2026-11-23 22:28:29.561904+00'),
	(969, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0019, '2026-11-23 22:27:29.561904+00'),
	(970, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.002, '2026-11-23 22:26:29.561904+00'),
	(971, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0021, '2026-11-23 22:25:29.561904+00'),
	(972, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0022, '2026-11-23 22:24:29.561904+00'),
	(973, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0023, '2026-11-23 22:23:29.561904+00'),
	(974, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0024, '2026-11-23 22:22:29.561904+00'),
	(975, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0025, '2026-11-23 22:21:29.561904+00'),
	(976, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0026, '2026-11-23 22:20:29.561904+00'),
	(977, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0027, '2026-11-23 22:19:29.561904+00'),
	(978, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0028, '2026-11-23 22:18:29.561904+00'),
	(979, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0029, '2026-11-23 22:17:29.561904+00'),
	(980, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.003, '2026-11-23 22:16:29.561904+00'),
	(981, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0031, '2026-11-23 22:15:29.561904+00'),
	(982, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0032, '2026-11-23 22:14:29.561904+00'),
	(983, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0033, '2026-11-23 22:13:29.561904+00'),
	(984, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0034, '2026-11-23 22:12:29.561904+00'),
	(985, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0035, '2026-11-23 22:11:29.561904+00'),
	(986, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0036, '2026-11-23 22:10:29.561904+00'),
	(987, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0037, '2026-11-23 22:09:29.561904+00'),
	(988, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0038, '2026-11-23 22:08:29.561904+00'),
	(989, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0039, '2026-11-23 22:07:29.561904+00'),
	(990, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.004, '2026-11-23 22:06:29.561904+00'),
	(991, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0041, '2026-11-23 22:05:29.561904+00'),
	(992, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0042, '2026-11-23 22:04:29.561904+00'),
	(993, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0043, '2026-11-23 22:03:29.561904+00'),
	(994, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0044, '2026-11-23 22:02:29.561904+00'),
	(995, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0045, '2026-11-23 22:01:29.561904+00'),
	(996, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0046, '2026-11-23 22:00:29.561904+00'),
	(997, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0047, '2026-11-23 21:59:29.561904+00'),
	(998, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0048, '2026-11-23 21:58:29.561904+00'),
	(999, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.0049, '2026-11-23 21:57:29.561904+00'),
	(1000, 5, 4, '/v1/chat/completions', 'POST', 'gemini-3-pro-high', 0.005, '2026-11-23 21:56:29.561904+00');


--
-- Data for Name: users; Type: TABLE DATA; Schema: public; Owner: -
--

INSERT INTO public.users VALUES
	(3, 'disabled', '$2b$12$2Tug49IwCa0fE70l5EVyP.IdHxP8Ura0W6sRSr09POg5dwp1rktbK', NULL, NULL, 1, false, false, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:27.800463+00', NULL, 0),
	(4, 'silenced', '$2b$12$2Tug49IwCa0fE70l5EVyP.IdHxP8Ura0W6sRSr09POg5dwp1rktbK', NULL, NULL, 1, true, true, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:27.800463+00', NULL, 0),
	(6, 'ssoonly', NULL, '990', NULL, 2, true, false, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:27.800463+00', NULL, 0),
	(7, 'rowan', NULL, '601', 'https://avatars.example/601', 2, true, false, '2026-11-24 02:06:28.305751+00', '2026-11-24 02:06:28.305751+00', '2026-11-24 02:06:28.365357+00', 0),
	(8, 'alder', NULL, '602', 'https://avatars.example/602', 1, true, false, '2026-11-24 02:06:28.418549+00', '2026-11-24 02:06:28.418549+00', '2026-11-24 02:06:28.450922+00', 0),
	(9, 'birch', NULL, '603', 'https://avatars.example/603', 3, true, false, '2026-11-24 02:06:28.495657+00', '2026-11-24 02:06:28.495657+00', '2026-11-24 02:06:28.524507+00', 0),
	(10, 'hazel', NULL, '604', 'https://avatars.example/604', 0, true, false, '2026-11-24 02:06:28.573426+00', '2026-11-24 02:06:28.573426+00', '2026-11-24 02:06:28.602418+00', 0),
	(1, 'member', '$2b$12$2Tug49IwCa0fE70l5EVyP.IdHxP8Ura0W6sRSr09POg5dwp1rktbK', NULL, NULL, 1, true, false, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:28.62688+00', '2026-11-24 02:06:28.846814+00', 0),
	(5, 'tester', '$2b$12$2Tug49IwCa0fE70l5EVyP.IdHxP8Ura0W6sRSr09POg5dwp1rktbK', NULL, NULL, 3, true, false, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:29.061514+00', '2026-11-24 02:06:29.263491+00', 1),
	(2, 'other', '$2b$12$2Tug49IwCa0fE70l5EVyP.IdHxP8Ura0W6sRSr09POg5dwp1rktbK', NULL, NULL, 1, true, false, '2026-11-24 02:06:27.800463+00', '2026-11-24 02:06:29.310592+00', '2026-11-24 02:06:29.513424+00', 0);


--
-- Name: api_keys_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.api_keys_id_seq', 6, true);


--
-- Name: oauth_tokens_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.oauth_tokens_id_seq', 4, true);


--
-- Name: plugin_api_keys_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.plugin_api_keys_id_seq', 4, true);


--
-- Name: usage_logs_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.usage_logs_id_seq', 1000, true);


--
-- Name: users_id_seq; Type: SEQUENCE SET; Schema: public; Owner: -
--

SELECT pg_catalog.setval('public.users_id_seq', 10, true);


--
-- Name: alembic_version alembic_version_pkc; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);


--
-- Name: api_keys api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_pkey PRIMARY KEY (id);


--
-- Name: oauth_tokens oauth_tokens_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oauth_tokens
    ADD CONSTRAINT oauth_tokens_pkey PRIMARY KEY (id);


--
-- Name: oauth_tokens oauth_tokens_user_id_key; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oauth_tokens
    ADD CONSTRAINT oauth_tokens_user_id_key UNIQUE (user_id);


--
-- Name: plugin_api_keys plugin_api_keys_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.plugin_api_keys
    ADD CONSTRAINT plugin_api_keys_pkey PRIMARY KEY (id);


--
-- Name: usage_logs usage_logs_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_logs
    ADD CONSTRAINT usage_logs_pkey PRIMARY KEY (id);


--
-- Name: users users_pkey; Type: CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.users
    ADD CONSTRAINT users_pkey PRIMARY KEY (id);


--
-- Name: ix_api_keys_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_api_keys_id ON public.api_keys USING btree (id);


--
-- Name: ix_api_keys_key; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_api_keys_key ON public.api_keys USING btree (key);


--
-- Name: ix_api_keys_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_api_keys_user_id ON public.api_keys USING btree (user_id);


--
-- Name: ix_plugin_api_keys_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE UNIQUE INDEX ix_plugin_api_keys_user_id ON public.plugin_api_keys USING btree (user_id);


--
-- Name: ix_usage_logs_created_at; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_logs_created_at ON public.usage_logs USING btree (created_at);


--
-- Name: ix_usage_logs_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_logs_id ON public.usage_logs USING btree (id);


--
-- Name: ix_usage_logs_user_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_usage_logs_user_id ON public.usage_logs USING btree (user_id);


--
-- Name: ix_users_oauth_id; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_users_oauth_id ON public.users USING btree (oauth_id);


--
-- Name: ix_users_username; Type: INDEX; Schema: public; Owner: -
--

CREATE INDEX ix_users_username ON public.users USING btree (username);


--
-- Name: api_keys api_keys_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.api_keys
    ADD CONSTRAINT api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: oauth_tokens oauth_tokens_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.oauth_tokens
    ADD CONSTRAINT oauth_tokens_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: plugin_api_keys plugin_api_keys_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.plugin_api_keys
    ADD CONSTRAINT plugin_api_keys_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- Name: usage_logs usage_logs_api_key_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_logs
    ADD CONSTRAINT usage_logs_api_key_id_fkey FOREIGN KEY (api_key_id) REFERENCES public.api_keys(id) ON DELETE SET NULL;


--
-- Name: usage_logs usage_logs_user_id_fkey; Type: FK CONSTRAINT; Schema: public; Owner: -
--

ALTER TABLE ONLY public.usage_logs
    ADD CONSTRAINT usage_logs_user_id_fkey FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;


--
-- PostgreSQL database dump complete
--


