CREATE SCHEMA lockstep;
CREATE TABLE lockstep.environment (
    id integer NOT NULL,
    name text NOT NULL,
    protected boolean NOT NULL,
    uuid text NOT NULL,
    system_identifier text,
    database_oid text,
    endpoint text NOT NULL,
    marked_at text NOT NULL,
    marked_by text NOT NULL,
    CONSTRAINT environment_id_check CHECK ((id = 1))
);
CREATE TABLE lockstep.migrations (
    "position" bigint NOT NULL,
    version text NOT NULL,
    name text NOT NULL,
    sha256 text NOT NULL,
    sha256_tokens text,
    state text NOT NULL,
    applied_at text NOT NULL,
    duration_ms bigint NOT NULL,
    applied_by text NOT NULL,
    run_id text NOT NULL,
    because text,
    CONSTRAINT migrations_state_check CHECK ((state = ANY (ARRAY['applied'::text, 'started'::text])))
);
CREATE TABLE lockstep.schema (
    id integer NOT NULL,
    document text NOT NULL,
    ledger_state text NOT NULL,
    recorded_at text NOT NULL,
    run_id text NOT NULL,
    CONSTRAINT schema_id_check CHECK ((id = 1))
);
CREATE TABLE public.orders (
    id integer NOT NULL,
    note text
);
INSERT INTO lockstep.environment VALUES (1, 'dev', false, '9f5c80cc-6c62-4fc6-93b9-2a16b93cc3dc', '7304118893301234567', '16385', 'db.internal:5432', '2026-03-14T09:26:53.214Z', 'deployer@ci');
INSERT INTO lockstep.migrations VALUES (1, '1', 'orders', '465985d4f2fa4a70572b6cfcccb07a251ce1d22b2947f00446a08746804a3bc6', '21bfc47d274c4275c01ab0c61ad675d6659578fa8ab78dff4dbe31ae25bf052d', 'applied', '2026-03-14T09:26:53.220Z', 19, 'deployer@ci', '20260314T092653Z-fadad26e', NULL);
INSERT INTO lockstep.migrations VALUES (2, '2', 'first_order', 'ecf14f6398b2bf07640eddeaaa62a6b21c3d71cd0cc7514cbf26ba038d844ece', '1107ce748fa3b14c47e39c41687376c2ba352cef972033edb06ba3e90fb07c44', 'applied', '2026-03-14T09:26:53.222Z', 1, 'deployer@ci', '20260314T092653Z-fadad26e', NULL);
INSERT INTO lockstep.schema VALUES (1, '{"format":"lockstep-schema/1","engine":"postgres","server_major":15,"schemas":["public"],"tables":{"public.orders":{"columns":{"id":{"type":"integer","not_null":true},"note":{"type":"text"}},"primary_key":{"name":"orders_pkey","definition":"PRIMARY KEY (id)"}}}}', '208d952dc5d65c081a675f1b12030eedfa6ac0817fb3905e6d99dc6e6c488f44', '2026-03-14T09:26:53.255Z', '20260314T092653Z-fadad26e');
INSERT INTO public.orders VALUES (1, 'first');
ALTER TABLE ONLY lockstep.environment
    ADD CONSTRAINT environment_pkey PRIMARY KEY (id);
ALTER TABLE ONLY lockstep.migrations
    ADD CONSTRAINT migrations_pkey PRIMARY KEY ("position");
ALTER TABLE ONLY lockstep.migrations
    ADD CONSTRAINT migrations_version_key UNIQUE (version);
ALTER TABLE ONLY lockstep.schema
    ADD CONSTRAINT schema_pkey PRIMARY KEY (id);
ALTER TABLE ONLY public.orders
    ADD CONSTRAINT orders_pkey PRIMARY KEY (id);
