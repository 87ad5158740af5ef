-- 0072_names: what a model must not see.

-- Names of our parties that occur in the texts of a question: up to eight words in a row, compared as
-- name_norm is made, each by the index party_name.  So that a model never sees them.
CREATE FUNCTION erp_names_in(tenant int, question jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    WITH told AS (
        SELECT t.at, left(t.value #>> '{}', 20000) AS line
          FROM jsonb_path_query(question, 'strict $.** ? (@.type() == "string")') WITH ORDINALITY AS t(value, at)
    ), word AS (
        SELECT t.at, w.word, w.place
          FROM told t CROSS JOIN LATERAL regexp_split_to_table(
                   upper(t.line COLLATE "C"), '[\x01-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]+')
                   WITH ORDINALITY AS w(word, place)
         WHERE w.word <> ''
    ), eight AS (
        SELECT w.word, lead(w.word, 1) OVER v AS w1, lead(w.word, 2) OVER v AS w2, lead(w.word, 3) OVER v AS w3,
               lead(w.word, 4) OVER v AS w4, lead(w.word, 5) OVER v AS w5, lead(w.word, 6) OVER v AS w6,
               lead(w.word, 7) OVER v AS w7
          FROM word w WINDOW v AS (PARTITION BY w.at ORDER BY w.place)
    ), candidate AS (
        SELECT DISTINCT c.norm
          FROM eight e CROSS JOIN LATERAL unnest(ARRAY[
               e.word, e.word || e.w1, e.word || e.w1 || e.w2, e.word || e.w1 || e.w2 || e.w3,
               e.word || e.w1 || e.w2 || e.w3 || e.w4, e.word || e.w1 || e.w2 || e.w3 || e.w4 || e.w5,
               e.word || e.w1 || e.w2 || e.w3 || e.w4 || e.w5 || e.w6,
               e.word || e.w1 || e.w2 || e.w3 || e.w4 || e.w5 || e.w6 || e.w7]) AS c(norm)
         WHERE length(c.norm) >= 3
    )
    SELECT coalesce(jsonb_agg(DISTINCT p.name), '[]')
      FROM candidate c JOIN party p ON p.tenant_id = tenant AND p.name_norm = c.norm
$$;
