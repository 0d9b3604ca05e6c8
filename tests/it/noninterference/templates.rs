//! The grammar of expressions, as data: `KIND TEMPLATE`, where `{K}` in a template stands for an expression of kind K.
//!
//! Kinds: I whole number, F float, N decimal, T text, D date, S timestamp, B boolean, L list of numbers, M list of
//! texts. `{z}` is a number that hidden rows often hold, `{n}` a small number. What fails on purpose fails on hostile
//! values and seldom on mild ones. Every function that a query may use is here; a test says which one is not.

/// Expressions of one row.
pub const SCALAR: &str = r"
I {I} + {n}
I {I} - {I}
I {I} * 2
I 100 / ({I} - {z})
I 100 % ({I} - {z})
I {n} / {I}
I CAST({T} AS BIGINT)
I TRY_CAST({T} AS BIGINT)
I CAST({T} AS INT) + 1
I CAST({N} AS BIGINT)
I CAST({I} AS SMALLINT)
I CAST({F} AS INT)
I CASE WHEN {B} THEN {I} ELSE 1 / ({I} - {z}) END
I coalesce({I}, {n})
I nullif({I}, {z})
I nvl({I}, {n})
I nvl2({I}, {n}, 1)
I abs({I})
I length({T})
I character_length({T})
I octet_length({T})
I bit_length({T})
I ascii({T})
I strpos({T}, {T})
I levenshtein({T}, {T})
I find_in_set({T}, 'a,b,ana,7')
I gcd({I}, {I})
I lcm({I}, {n})
I factorial({I})
I greatest({I}, {n})
I least({I}, {z})
I date_part('year', {D})
I date_part('{P}', {D})
I extract(day FROM {D})
I to_unixtime({S})
I regexp_count({T}, {T})
I regexp_instr({T}, 'a')
I array_length({L})
I array_element({L}, {I})
I {L}[1]
I array_position({L}, {n})
I array_max({L})
I array_min({L})
I array_any_value({L})
I array_sum({L})
I array_first({L}, x -> x > 0)
I array_ndims({L})
I array_dims({L})[1]
I cardinality({L})
I {I} & 7
I {I} | {n}
I {I} << 2
I -({I})
I cast_to_type({T}, 1)
I try_cast_to_type({T}, 1)
I arrow_cast({T}, 'Int64')
I arrow_try_cast({T}, 'Int64')
I map_values(map(['a', 'b'], [{I}, {n}]))[1]
I map_extract(map(['a', 'b'], [{I}, {n}]), {T})[1]
I get_field(named_struct('a', {I}, 'b', {T}), 'a')
I struct({I}, {T})['c0']
I union_extract({I}, 'a')
F {F} + 1.5
F {F} / {F}
F CAST({T} AS DOUBLE)
F CAST({I} AS DOUBLE)
F sqrt({F})
F ln({F})
F log({F})
F log(2, {F})
F log2({F})
F log10({F})
F exp({F})
F power({F}, 2)
F round({F}, 1)
F trunc({F})
F ceil({F})
F floor({F})
F signum({F})
F sin({F}) + cos({F})
F tan({F})
F cot({F})
F asin({F})
F acos({F})
F atan({F})
F atan2({F}, 2.0)
F sinh({F})
F cosh({F})
F tanh({F})
F asinh({F})
F acosh({F})
F atanh({F})
F cbrt({F})
F degrees({F})
F radians({F})
F pi() * {F}
F nanvl({F}, 1.0)
F abs({F})
F array_avg({L})
F array_product({L})
F array_distance([1.0, {F}], [2.0, 3.0])
F cosine_distance([1.0, {F}], [2.0, 3.0])
F inner_product([1.0, {F}], [2.0, 3.0])
F array_normalize([1.0, {F}])[1]
F array_scale([1.0, {F}], 2.0)[2]
F array_add([1.0], [{F}])[1]
F array_subtract([1.0], [{F}])[1]
N {N} + 1.25
N {N} * 2
N {N} / ({N} - 60)
N CAST({I} AS DECIMAL(12, 2))
N CAST({T} AS DECIMAL(12, 2))
N round({N}, 1)
N abs({N})
N CAST({N} AS DECIMAL(4, 2))
T {T} || {T}
T concat({T}, '-', {I})
T concat_ws('-', {T}, {T})
T upper({T})
T lower({T})
T initcap({T})
T trim({T})
T btrim({T}, 'a')
T ltrim({T})
T rtrim({T})
T substr({T}, 2)
T substr({T}, {I}, 2)
T substring({T} FROM 1 FOR 3)
T substr_index({T}, '-', {n})
T left({T}, {n})
T right({T}, {n})
T lpad({T}, {n}, 'x')
T rpad({T}, {n}, 'x')
T repeat({T}, {n})
T replace({T}, 'a', {T})
T translate({T}, 'abc', 'xyz')
T reverse({T})
T split_part({T}, '-', {n})
T split_part({T}, '-', {I})
T overlay({T} PLACING 'zz' FROM 1)
T regexp_replace({T}, {T}, 'x')
T regexp_replace({T}, '[0-9]+', '#')
T regexp_match({T}, {T})[1]
T chr({I})
T to_hex({I})
T md5({T})
T encode(sha256({T}), 'hex')
T encode(sha224({T}), 'hex')
T encode(sha384({T}), 'base64')
T encode(sha512({T}), 'hex')
T encode(digest({T}, 'md5'), 'hex')
T digest({T}, {T})
T encode(CAST({T} AS BYTEA), 'hex')
T CAST(decode({T}, 'hex') AS VARCHAR)
T CAST(decode({T}, 'base64') AS VARCHAR)
T CAST({I} AS VARCHAR)
T CAST({D} AS VARCHAR)
T CAST({F} AS VARCHAR)
T CAST({N} AS VARCHAR)
T to_char({D}, '%Y-%m')
T to_char({D}, {T})
T arrow_typeof({I})
T CAST(arrow_field({T}) AS VARCHAR)
T CASE {I} WHEN 1 THEN {T} WHEN {z} THEN 'z' ELSE {T} END
T coalesce({T}, 'none')
T nullif({T}, 'ana')
T array_to_string({M}, ',')
T {M}[1]
T map_keys(map([coalesce({T}, 'k')], [{I}]))[1]
T CAST(map_entries(map(['a'], [{I}])) AS VARCHAR)
T get_field(named_struct('a', {T}), 'a')
T union_tag({T})
T CAST(arrays_zip({L}, {L}) AS VARCHAR)
T greatest({T}, {T})
D to_date({T})
D CAST({T} AS DATE)
D TRY_CAST({T} AS DATE)
D {D} + INTERVAL '1' DAY
D {D} - INTERVAL '1 month'
D CAST(date_trunc('month', {D}) AS DATE)
D make_date(2020, {I}, 1)
D coalesce({D}, DATE '2020-01-01')
D greatest({D}, DATE '2000-01-01')
D CAST({S} AS DATE)
S to_timestamp({T})
S to_timestamp({I})
S to_timestamp_seconds({I})
S to_timestamp_millis({I})
S to_timestamp_micros({I})
S to_timestamp_nanos({I})
S from_unixtime({I})
S to_local_time(CAST({D} AS TIMESTAMP))
S CAST({D} AS TIMESTAMP)
S CAST({T} AS TIMESTAMP)
S date_bin(INTERVAL '1 day', CAST({D} AS TIMESTAMP))
S date_trunc('{P}', CAST({D} AS TIMESTAMP))
S now() - now() + CAST({D} AS TIMESTAMP)
B {I} = {n}
B {I} > {n}
B {I} < {I}
B {I} IN ({n}, {z}, 7)
B {I} NOT IN ({n}, {z})
B {I} BETWEEN 1 AND {n}
B {T} = {T}
B {T} = 'ana'
B {T} LIKE 'a%'
B {T} LIKE {T}
B {T} ILIKE 'A%'
B {T} NOT LIKE '%z'
B {T} SIMILAR TO {T}
B {T} ~ {T}
B {T} !~* 'a'
B {T} > 'b'
B {D} > DATE '2020-01-01'
B {D} = {D}
B {F} > 1.0
B {N} > 1.5
B {N} = {N}
B {S} < TIMESTAMP '2021-01-01T00:00:00'
B {B} AND {B}
B {B} OR {B}
B NOT {B}
B ({B}) IS TRUE
B {T} IS NULL
B {I} IS NOT NULL
B {I} IS DISTINCT FROM {I}
B 1 / ({I} - {z}) > 0
B CAST({T} AS BIGINT) > {n}
B regexp_like({T}, {T})
B regexp_like({T}, 'a')
B starts_with({T}, 'a')
B ends_with({T}, 'a')
B contains({T}, 'a')
B isnan({F})
B iszero({F})
B array_has({L}, {I})
B array_has_all({L}, [1])
B array_has_any({L}, [1, {z}])
B array_any_match({L}, x -> 10 / (x - {z}) > 1)
B empty({L})
B CAST({T} AS BOOLEAN)
B random() >= 0
B uuid() IS NOT NULL
B now() IS NOT NULL AND {B}
B current_date > DATE '2020-01-01'
B current_time IS NOT NULL
B make_time(1, 2, {I}) IS NULL
B to_time({T}) IS NULL
B $1 IS NULL
L [{I}, {n}]
L make_array({I}, {I}, 3)
L array_append([1, 2], {I})
L array_prepend({I}, [1, 2])
L array_concat([{I}], [{n}])
L array_sort([{I}, {n}, 3])
L array_distinct([{I}, {n}, 1])
L array_reverse([{I}, {n}])
L array_slice([1, 2, 3], 1, {I})
L array_remove([1, 2, 1], {I})
L array_remove_n([1, 2, 1], {I}, 1)
L array_remove_all([1, 2, 1], {I})
L array_replace([1, 2, 1], 1, {I})
L array_replace_n([1, 2, 1], 1, {I}, 1)
L array_replace_all([1, 2, 1], 1, {I})
L array_resize([1, 2], {n}, {I})
L array_repeat({I}, {n})
L array_union([1, {I}], [2])
L array_intersect([1, {I}], [1, 2])
L array_except([1, {I}], [2])
L array_pop_back([{I}, 2])
L array_pop_front([{I}, 2])
L array_positions([1, 2, 1], {I})
L array_compact([{I}, NULL])
L array_transform([{I}, 2], x -> 10 / (x - {z}))
L array_filter([{I}, 2], x -> x > 1)
L flatten([[{I}], [2]])
L range(1, {n})
L generate_series(1, {n})
M [{T}, 'a']
M string_to_array({T}, '-')
M array_append(['a'], {T})
";

/// Aggregates whose value does not depend on the order of their rows.
pub const AGGREGATE: &str = r"
I count(*)
I count({T})
I count(DISTINCT {I})
I count({I}) FILTER (WHERE {B})
I sum({I})
I sum(DISTINCT {I})
I sum(1 / ({I} - {z}))
I min({I})
I max({I})
I max(CAST({T} AS BIGINT))
I bit_and({I})
I bit_or({I})
I bit_xor({I})
I median({I})
I approx_distinct({T})
I regr_count({F}, {F})
I first_value({I} ORDER BY {I})
I nth_value({I}, 2 ORDER BY {I})
I last_value({I} ORDER BY {I})
N sum({N})
N avg({N})
T min({T})
T max({T})
T string_agg({T}, ',' ORDER BY {T})
D min({D})
D max({D})
B bool_and({B})
B bool_or({B})
L array_agg({I} ORDER BY {I})
T CAST(array_agg(DISTINCT {I} ORDER BY {I}) AS VARCHAR)
";

/// Aggregates that depend on the order of their rows, be it in the last bit.
pub const ORDERED_AGGREGATE: &str = r"
F avg({I})
F sum({F})
F avg({F})
F stddev({F})
F stddev_pop({I})
F var({I})
F var_pop({F})
F corr({F}, {F})
F covar_pop({F}, {F})
F covar_samp({I}, {I})
F regr_avgx({F}, {F})
F regr_avgy({F}, {F})
F regr_intercept({F}, {F})
F regr_r2({F}, {F})
F regr_slope({F}, {F})
F regr_sxx({F}, {F})
F regr_sxy({F}, {F})
F regr_syy({F}, {F})
F approx_median({I})
F approx_percentile_cont(0.5) WITHIN GROUP (ORDER BY {I})
F approx_percentile_cont_with_weight(1, 0.5) WITHIN GROUP (ORDER BY {I})
F percentile_cont(0.5) WITHIN GROUP (ORDER BY {I})
I any_value({I})
I first_value({I})
T string_agg({T}, ',')
L array_agg({I})
";

/// Window functions over `{w}`, an order of all columns.
pub const WINDOW: &str = r"
I row_number() OVER ({w})
I rank() OVER ({w})
I dense_rank() OVER ({w})
I ntile(3) OVER ({w})
F percent_rank() OVER ({w})
F cume_dist() OVER ({w})
I lag({I}, 1) OVER ({w})
I lead({I}, 1, {z}) OVER ({w})
I first_value({I}) OVER ({w})
I last_value({I}) OVER ({w})
I nth_value({I}, 2) OVER ({w})
I sum({I}) OVER ({w})
I count({T}) OVER ({w} ROWS BETWEEN 1 PRECEDING AND CURRENT ROW)
I min({I}) OVER ({w} RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
I max(10 / ({I} - {z})) OVER ({w})
I count(*) OVER ()
I sum({I}) OVER (PARTITION BY {T})
";

/// The templates of `list`, each with its kind.
pub fn parsed(list: &'static str) -> Vec<(char, &'static str)> {
    let lines = list.lines().filter(|line| !line.is_empty());
    lines.map(|line| (line.chars().next().unwrap(), &line[2..])).collect()
}
