-- A store: entries with small values, the names of data that no entry names, what
-- components are, and leases. {schema} is replaced by the name of the schema, quoted.

CREATE TABLE {schema}.meta (
	one    boolean PRIMARY KEY DEFAULT true CHECK (one),
	format integer NOT NULL,                        -- the last migration that was made
	store  uuid    NOT NULL DEFAULT gen_random_uuid(), -- also written beside the data
	data   text                                     -- where large values are; NULL: nowhere
);

-- Overwrites are HOT updates while a page has room (measured: 95 % with 80, 37 % with 100). A body
-- is kept as it is: most are compressed, or do not compress.
CREATE TABLE {schema}.entries (
	shelf  text COLLATE "C" NOT NULL,
	name   text COLLATE "C" NOT NULL,
	id     uuid        NOT NULL, -- the version, and the name of the data
	size   bigint      NOT NULL,
	sum    bigint      NOT NULL, -- CRC-32C
	digest bytea       NOT NULL, -- SHA-256
	stored timestamptz NOT NULL,
	meta   text,
	body   bytea,                -- NULL: in the data under id
	PRIMARY KEY (shelf, name)
) WITH (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, toast.autovacuum_vacuum_scale_factor = 0.02);
ALTER TABLE {schema}.entries ALTER digest SET STORAGE PLAIN, ALTER body SET STORAGE EXTERNAL;

-- Data that no entry names: claimed by a writer until a moment ('p'), taken from one whose
-- claim ran out ('t'), or condemned since a moment ('c').
CREATE TABLE {schema}.loose (
	id    uuid PRIMARY KEY,
	state "char"      NOT NULL,
	size  bigint      NOT NULL DEFAULT 0,
	until timestamptz NOT NULL
);

-- What the shelf "components" says, for queries: the pre-images themselves decide. A row that is odd
-- says less than its pre-image, which is read for every query.
CREATE TABLE {schema}.components (
	key     text COLLATE "C" PRIMARY KEY,
	type    text COLLATE "C" NOT NULL,
	version text COLLATE "C" NOT NULL,
	params  jsonb       NOT NULL,
	as_of   timestamptz,
	stored  timestamptz NOT NULL,
	odd     boolean     NOT NULL
);
CREATE INDEX components_type ON {schema}.components (type, key);
CREATE INDEX components_version ON {schema}.components (type, version, stored);
CREATE INDEX components_stored ON {schema}.components (stored, key);
CREATE INDEX components_params ON {schema}.components USING gin (params jsonb_path_ops);
CREATE INDEX components_odd ON {schema}.components (key) WHERE odd;

CREATE TABLE {schema}.inputs (
	component text COLLATE "C" NOT NULL,
	n         integer NOT NULL,
	input     text COLLATE "C" NOT NULL,
	PRIMARY KEY (component, n)
);
CREATE INDEX inputs_input ON {schema}.inputs (input, component);

CREATE TABLE {schema}.leases (
	name   text COLLATE "C" PRIMARY KEY,
	epoch  bigint      NOT NULL,
	token  uuid        NOT NULL,
	holder text        NOT NULL,
	until  timestamptz NOT NULL
) WITH (fillfactor = 50);
CREATE SEQUENCE {schema}.epochs START 2; -- one for all names, so that a row need not stay for its epoch

-- Paths of parameters that have an index of their own.
CREATE TABLE {schema}.declared (path text COLLATE "C" PRIMARY KEY);

CREATE FUNCTION {schema}.condemn() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	INSERT INTO {schema}.loose (id, state, size, until) VALUES (OLD.id, 'c', OLD.size, clock_timestamp());
	RETURN NULL;
END $$;
CREATE TRIGGER replaced AFTER UPDATE ON {schema}.entries FOR EACH ROW
	WHEN (OLD.body IS NULL AND OLD.id <> NEW.id) EXECUTE FUNCTION {schema}.condemn();
CREATE TRIGGER removed AFTER DELETE ON {schema}.entries FOR EACH ROW
	WHEN (OLD.body IS NULL) EXECUTE FUNCTION {schema}.condemn();

CREATE FUNCTION {schema}.undescribe() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
	DELETE FROM {schema}.components WHERE key = OLD.name;
	DELETE FROM {schema}.inputs WHERE component = OLD.name;
	RETURN NULL;
END $$;
CREATE TRIGGER undescribed AFTER DELETE ON {schema}.entries FOR EACH ROW
	WHEN (OLD.shelf = 'components') EXECUTE FUNCTION {schema}.undescribe();

-- One step of a path: what a map has under a name, or a list at a number.
CREATE FUNCTION {schema}.step(v jsonb, name text) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT CASE jsonb_typeof(v)
		WHEN 'object' THEN v -> name
		WHEN 'array' THEN CASE WHEN name ~ '^(0|[1-9][0-9]{0,8})$' THEN v -> name::integer END
	END
$$;

-- The parameter at a path, as component.Lookup finds it: names may hold dots themselves.
CREATE FUNCTION {schema}.lookup(v jsonb, path text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	found jsonb;
	next  jsonb;
BEGIN
	IF path = '' THEN
		RETURN v;
	END IF;
	found := {schema}.step(v, path);
	IF found IS NOT NULL THEN
		RETURN found;
	END IF;
	FOR i IN 1 .. length(path) - 1 LOOP
		IF substr(path, i, 1) = '.' THEN
			next := {schema}.step(v, left(path, i - 1));
			IF next IS NOT NULL THEN
				found := {schema}.lookup(next, substr(path, i + 1));
				IF found IS NOT NULL THEN
					RETURN found;
				END IF;
			END IF;
		END IF;
	END LOOP;
	RETURN NULL;
END $$;

-- The same as a number or a text, NULL where it is of another kind: a cast would make a Put fail.
CREATE FUNCTION {schema}.number(v jsonb, path text) RETURNS numeric LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	found jsonb := {schema}.lookup(v, path);
BEGIN
	IF jsonb_typeof(found) = 'number' THEN
		RETURN found::numeric;
	END IF;
	RETURN NULL;
END $$;

-- Texts are cut off, since an index holds no long ones.
CREATE FUNCTION {schema}.words(v jsonb, path text) RETURNS text LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	found jsonb := {schema}.lookup(v, path);
BEGIN
	IF jsonb_typeof(found) = 'string' THEN
		RETURN left(found #>> '{}', 200);
	END IF;
	RETURN NULL;
END $$;
