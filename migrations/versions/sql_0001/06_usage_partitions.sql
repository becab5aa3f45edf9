CREATE TABLE credit_usage_default PARTITION OF credit_usage DEFAULT;

-- Nobody but the owner reads a partition by its own name: enabled without a policy, and without a grant.
ALTER TABLE credit_usage_default ENABLE ROW LEVEL SECURITY;

-- Makes the missing monthly partitions (UTC) of credit_usage from the first month to the last and says how many it made.
-- portal_worker calls it ahead of time; SECURITY DEFINER, because only the owner may create tables. Rows of a month that waited in the
-- default partition move into the month's own: aside first, for a partition is attached empty (attaching checks the foreign keys of its
-- rows as the owner, who meets FORCE on the tables they refer to), and past the parent, for FORCE holds on it too.
CREATE FUNCTION create_usage_partitions(first_month date, last_month date) RETURNS integer
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp SET timezone = 'UTC'
    AS $$
DECLARE
    month timestamptz := date_trunc('month', first_month::timestamp) AT TIME ZONE 'UTC';
    next_month timestamptz;
    partition text;
    made integer := 0;
BEGIN
    IF last_month - first_month > 3 * 366 THEN
        RAISE EXCEPTION 'at most three years of partitions at a time';
    END IF;
    WHILE month <= last_month::timestamp AT TIME ZONE 'UTC' LOOP
        next_month := (month AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
        partition := 'credit_usage_' || to_char(month AT TIME ZONE 'UTC', 'YYYY_MM');
        IF to_regclass('public.' || partition) IS NULL THEN
            -- No row of this month may slip into the default partition between moving and attaching.
            LOCK TABLE public.credit_usage IN SHARE UPDATE EXCLUSIVE MODE;
            LOCK TABLE public.credit_usage_default IN ACCESS EXCLUSIVE MODE;
            IF to_regclass('public.' || partition) IS NULL THEN
                CREATE TABLE public.credit_usage_late (LIKE public.credit_usage);
                WITH late AS (DELETE FROM public.credit_usage_default WHERE created_at >= month AND created_at < next_month RETURNING *)
                INSERT INTO public.credit_usage_late SELECT * FROM late;
                EXECUTE format('CREATE TABLE public.%I (LIKE public.credit_usage INCLUDING ALL)', partition);
                EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY', partition);
                EXECUTE format(
                    'ALTER TABLE public.credit_usage ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)',
                    partition, month, next_month);
                EXECUTE format('INSERT INTO public.%I SELECT * FROM public.credit_usage_late', partition);
                DROP TABLE public.credit_usage_late;
                made := made + 1;
            END IF;
        END IF;
        month := next_month;
    END LOOP;
    RETURN made;
END $$;

REVOKE ALL ON FUNCTION create_usage_partitions(date, date) FROM PUBLIC;

GRANT EXECUTE ON FUNCTION create_usage_partitions(date, date) TO portal_worker;

SELECT create_usage_partitions((now() - interval '4 months')::date, (now() + interval '3 months')::date);
