//! What a reader could learn without the barrier, as attacks on the engine itself.
//!
//! Each attack runs with the barrier, where its outcome must be that of a table without the hidden rows, and once more
//! with the barrier taken out, where it must leak: a check that cannot fail is no check.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use datafusion::arrow::array::{Int64Array, RecordBatch, StringArray};
use datafusion::arrow::datatypes::{DataType, Field, Schema};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::empty::EmptyTable;
use datafusion::datasource::file_format::parquet::ParquetFormat;
use datafusion::datasource::listing::{ListingOptions, ListingTable, ListingTableConfig, ListingTableUrl};
use datafusion::datasource::{ViewTable, provider_as_source};
use datafusion::execution::SessionStateBuilder;
use datafusion::execution::context::QueryPlanner;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder, UserDefinedLogicalNode};
use datafusion::parquet::arrow::ArrowWriter;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use datafusion::physical_planner::{DefaultPhysicalPlanner, ExtensionPlanner, PhysicalPlanner};
use datafusion::prelude::{SessionContext, col, lit};
use lakegate::config::LimitsConfig;
use lakegate::policy::model::TableName;
use lakegate::query::barrier::infallible::is_infallible;
use lakegate::query::barrier::logical::Barrier;
use lakegate::query::engine::Engine;

/// Where only rows that the policy hides make the reader's expression fail or tell.
const ATTACKS: [&str; 7] = [
    "SELECT count(*) FROM db.emp WHERE 1/(salary-60) > 5",
    "SELECT name FROM db.emp WHERE CAST(note AS BIGINT) > 0 ORDER BY name",
    "SELECT count(*) FROM db.emp WHERE regexp_like(name, pattern)",
    "SELECT count(*) FROM (SELECT * FROM db.emp) e WHERE CAST(note AS BIGINT) % 2 = 1",
    "WITH e AS (SELECT salary AS s, name FROM db.emp) SELECT name FROM e WHERE name LIKE '%' AND 10/(s-60) < 1000 ORDER BY 1",
    "SELECT a.name FROM db.emp a JOIN db.emp b ON a.salary = b.salary WHERE 100/(b.salary-60) > 0 ORDER BY 1",
    "SELECT count(*) FROM db.emp WHERE region = 'US' AND to_date(note || '-01-01') > DATE '1970-01-01'",
];

/// What could fail on hidden rows in other places of a query than its filter.
const SHAPES: [&str; 8] = [
    "SELECT sum(1/(salary-60)) FROM db.emp",
    "SELECT name FROM db.emp ORDER BY 1/(salary-60), name",
    "SELECT count(*) FROM db.emp a JOIN db.emp b ON 1/(a.salary-60) = 1/(b.salary-60)",
    "SELECT 1/(salary-60) AS k, count(*) FROM db.emp GROUP BY 1 ORDER BY 1",
    "SELECT name, row_number() OVER (ORDER BY 1/(salary-60), name) FROM db.emp ORDER BY name",
    "SELECT max(CAST(note AS BIGINT)), min(name), count(*) FROM db.emp",
    "SELECT name FROM db.emp WHERE EXISTS (SELECT 1 FROM db.emp e WHERE 1/(e.salary-60) > -100 AND e.name = emp.name) ORDER BY 1",
    "SELECT name FROM db.emp WHERE salary > 20 ORDER BY 1/(salary-60) LIMIT 1",
];

/// How much of the barrier stands.
#[derive(Clone, Copy, PartialEq)]
enum Wall {
    Whole,
    /// The logical node alone, planned as if it were nothing.
    LogicalHalf,
    None,
}

/// Plans a barrier as its input.
#[derive(Debug)]
struct Transparent;

#[async_trait]
impl QueryPlanner for Transparent {
    async fn create_physical_plan(
        &self,
        plan: &LogicalPlan,
        session: &dyn Session,
    ) -> datafusion::common::Result<Arc<dyn ExecutionPlan>> {
        let planners: Vec<Arc<dyn ExtensionPlanner + Send + Sync>> = vec![Arc::new(Transparent)];
        DefaultPhysicalPlanner::with_extension_planners(planners).create_physical_plan(plan, session).await
    }
}

#[async_trait]
impl ExtensionPlanner for Transparent {
    async fn plan_extension(
        &self,
        _planner: &dyn PhysicalPlanner,
        _node: &dyn UserDefinedLogicalNode,
        _logical_inputs: &[&LogicalPlan],
        physical_inputs: &[Arc<dyn ExecutionPlan>],
        _session: &dyn Session,
        _context: &PhysicalPlanningContext,
    ) -> datafusion::common::Result<Option<Arc<dyn ExecutionPlan>>> {
        Ok(physical_inputs.first().cloned())
    }
}

struct Lab {
    engine: Engine,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new(pushdown_filters: bool) -> Self {
        let limits = LimitsConfig { pushdown_filters, target_partitions: 2, ..LimitsConfig::default() };
        let folder = tempfile::tempdir().unwrap();
        let visible =
            [("ana", 10, "US", "1999", "a"), ("bo", 30, "US", "2001", "b"), ("eve", 50, "US", "2007", "e+")];
        let hidden = [("mal", 60, "EU", "secret", "(["), ("zed", 61, "EU", "x", "[")];
        write(&folder, &visible, "visible");
        write(&folder, &hidden, "hidden");
        // Both in one file, so that no statistics of a file tell the two kinds of row apart.
        write(&folder, &[visible.as_slice(), hidden.as_slice()].concat(), "all");
        Self { engine: Engine::new(&limits, None).unwrap(), folder }
    }

    async fn scan(&self, files: &str) -> LogicalPlan {
        let url = ListingTableUrl::parse(format!("{}/{files}", self.folder.path().display())).unwrap();
        let options = ListingOptions::new(Arc::new(ParquetFormat::default())).with_file_extension(".parquet");
        let config = ListingTableConfig::new(url)
            .with_listing_options(options)
            .infer_schema(self.engine.bare())
            .await
            .unwrap();
        let table = ListingTable::try_new(config).unwrap();
        LogicalPlanBuilder::scan("db.emp", provider_as_source(Arc::new(table)), None)
            .unwrap()
            .build()
            .unwrap()
    }

    /// The outcome of `sql` on a table of all rows with the policy `tenant LIKE 'US%'`.
    async fn guarded(&self, sql: &str, wall: Wall) -> String {
        let filtered = LogicalPlanBuilder::from(self.scan("all.parquet").await)
            .filter(col("tenant").like(lit("US%")))
            .unwrap()
            .build()
            .unwrap();
        let plan = match wall {
            Wall::None => filtered,
            _ => Barrier::over("db.emp".to_owned(), true, filtered),
        };
        self.outcome(plan, sql, wall).await
    }

    /// The outcome of `sql` on a table where there is nothing to hide.
    async fn unguarded(&self, sql: &str) -> String {
        let plan = self.scan("visible.parquet").await;
        self.outcome(plan, sql, Wall::Whole).await
    }

    async fn outcome(&self, plan: LogicalPlan, sql: &str, wall: Wall) -> String {
        let context = self.context(plan, wall);
        let frame = match context.sql(sql).await {
            Ok(frame) => frame,
            Err(error) => return error.strip_backtrace(),
        };
        match frame.collect().await {
            Ok(rows) => pretty_format_batches(&rows).unwrap().to_string(),
            Err(error) => error.strip_backtrace(),
        }
    }

    fn context(&self, plan: LogicalPlan, wall: Wall) -> SessionContext {
        let provider: Arc<dyn TableProvider> = Arc::new(ViewTable::new(plan, None));
        let tables = BTreeMap::from([(TableName::new("db", "emp"), provider)]);
        let state = self.engine.session(tables, Some("db")).unwrap();
        SessionContext::new_with_state(match wall {
            Wall::LogicalHalf => SessionStateBuilder::new_from_existing(state)
                .with_query_planner(Arc::new(Transparent))
                .build(),
            _ => state,
        })
    }
}

fn write(folder: &tempfile::TempDir, rows: &[(&str, i64, &str, &str, &str)], name: &str) {
    let text = |pick: fn(&(&'static str, i64, &'static str, &'static str, &'static str)) -> &'static str,
                rows: &[_]| {
        Arc::new(rows.iter().map(|row| Some(pick(row))).collect::<StringArray>()) as _
    };
    let rows: Vec<_> =
        rows.iter().map(|row| (leak(row.0), row.1, leak(row.2), leak(row.3), leak(row.4))).collect();
    let batch = RecordBatch::try_from_iter([
        ("name", text(|row| row.0, &rows)),
        ("salary", Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>()) as _),
        ("region", text(|row| row.2, &rows)),
        ("note", text(|row| row.3, &rows)),
        ("pattern", text(|row| row.4, &rows)),
        // Wider than any other column: a scan that orders filters by cost evaluates the policy's last.
        ("tenant", Arc::new(rows.iter().map(|row| Some(tenant(row.2, row.0))).collect::<StringArray>()) as _),
    ])
    .unwrap();
    let file = std::fs::File::create(folder.path().join(format!("{name}.parquet"))).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

fn tenant(region: &str, name: &str) -> String {
    let digits = (0_u32..2_000)
        .map(|at| at.wrapping_mul(2_654_435_761) ^ (name.len() as u32 * 97 + at))
        .map(|n| format!("{n:x}"));
    format!("{region}-{name}-{}", digits.collect::<String>())
}

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

#[tokio::test]
async fn an_attack_tells_nothing_with_the_barrier_and_something_without() {
    for pushdown_filters in [false, true] {
        let lab = Lab::new(pushdown_filters);
        let mut leaks = 0;
        for sql in ATTACKS {
            let nothing_hidden = lab.unguarded(sql).await;
            let guarded = lab.guarded(sql, Wall::Whole).await;
            assert_eq!(guarded, nothing_hidden, "{sql} (pushdown_filters {pushdown_filters})");
            let half = lab.guarded(sql, Wall::LogicalHalf).await != nothing_hidden;
            let none = lab.guarded(sql, Wall::None).await != nothing_hidden;
            assert!(half || pushdown_filters, "without the physical half this must leak: {sql}");
            assert!(none || pushdown_filters, "without a barrier this must leak: {sql}");
            leaks += usize::from(half) + usize::from(none);
        }
        // A scan that takes the filters may order them by the size of their columns, so there not every attack is
        // lucky; some must be.
        assert!(leaks > 0, "without a barrier something must leak (pushdown_filters {pushdown_filters})");
    }
}

#[tokio::test]
async fn no_shape_of_query_reaches_hidden_rows() {
    for pushdown_filters in [false, true] {
        let lab = Lab::new(pushdown_filters);
        for sql in SHAPES {
            assert_eq!(lab.guarded(sql, Wall::Whole).await, lab.unguarded(sql).await, "{sql}");
        }
    }
}

#[tokio::test]
async fn a_predicate_without_columns_does_not_tell_whether_hidden_rows_exist() {
    let lab = Lab::new(false);
    let nobody = LogicalPlanBuilder::from(lab.scan("hidden.parquet").await)
        .filter(col("region").eq(lit("US")))
        .unwrap()
        .build()
        .unwrap();
    let sql = "SELECT count(*) FROM db.emp WHERE CAST(arrow_cast('x', 'Utf8') AS BIGINT) = 1";
    let guarded = lab.outcome(Barrier::over("db.emp".to_owned(), true, nobody), sql, Wall::Whole).await;
    let empty = LogicalPlanBuilder::from(lab.scan("visible.parquet").await)
        .filter(lit(false))
        .unwrap()
        .build()
        .unwrap();
    let empty = lab.outcome(empty, sql, Wall::Whole).await;
    assert_eq!(guarded, empty);
}

#[tokio::test]
async fn leakproof_predicates_still_reach_the_scan() {
    let lab = Lab::new(false);
    let filtered = LogicalPlanBuilder::from(lab.scan("all.parquet").await)
        .filter(col("region").eq(lit("US")))
        .unwrap()
        .build()
        .unwrap();
    let context = lab.context(Barrier::over("db.emp".to_owned(), true, filtered), Wall::Whole);
    let sql = "SELECT name FROM db.emp WHERE salary > 20 AND name LIKE 'b%' AND 1/(salary-60) < 5";
    let plan = context.sql(sql).await.unwrap().create_physical_plan().await.unwrap();
    let text = displayable(plan.as_ref()).indent(false).to_string();
    let (above, below) = text.split_once("BarrierExec").unwrap();
    assert!(above.contains("salary"), "the fallible part stays above:\n{text}");
    assert!(below.contains("salary@1 > 20") && below.contains("LIKE b%"), "the rest goes below:\n{text}");
    assert!(below.contains("predicate="), "and reaches the scan:\n{text}");
    assert!(!below.contains('/') || !below.contains("- 60"), "{text}");
}

#[tokio::test]
async fn a_count_of_a_filtered_table_is_not_answered_from_statistics() {
    let lab = Lab::new(false);
    for sql in ["SELECT count(*) FROM db.emp", "SELECT min(salary), max(salary) FROM db.emp"] {
        assert_eq!(lab.guarded(sql, Wall::Whole).await, lab.unguarded(sql).await, "{sql}");
    }
}

/// The questions of every day are planned with all that the engine knows of a table's size.
#[tokio::test]
async fn the_queries_of_tpch_cannot_fail_but_for_three() {
    let columns = [
        "region r_regionkey:i r_name r_comment",
        "nation n_nationkey:i n_name n_regionkey:i n_comment",
        "supplier s_suppkey:i s_name s_address s_nationkey:i s_phone s_acctbal:n s_comment",
        "customer c_custkey:i c_name c_address c_nationkey:i c_phone c_acctbal:n c_mktsegment c_comment",
        "part p_partkey:i p_name p_mfgr p_brand p_type p_size:s p_container p_retailprice:n p_comment",
        "partsupp ps_partkey:i ps_suppkey:i ps_availqty:s ps_supplycost:n ps_comment",
        "orders o_orderkey:i o_custkey:i o_orderstatus o_totalprice:n o_orderdate:d o_orderpriority o_clerk o_shippriority:s o_comment",
        "lineitem l_orderkey:i l_partkey:i l_suppkey:i l_linenumber:s l_quantity:n l_extendedprice:n l_discount:n l_tax:n l_returnflag l_linestatus l_shipdate:d l_commitdate:d l_receiptdate:d l_shipinstruct l_shipmode l_comment",
    ];
    let mut tables: BTreeMap<_, Arc<dyn TableProvider>> = BTreeMap::new();
    for line in columns {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let fields = words.map(|word| {
            let (name, kind) = word.split_once(':').unwrap_or((word, "t"));
            let data_type = match kind {
                "i" => DataType::Int64,
                "s" => DataType::Int32,
                "n" => DataType::Decimal128(15, 2),
                "d" => DataType::Date32,
                _ => DataType::Utf8View,
            };
            Field::new(name, data_type, true)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        tables.insert(TableName::new("db", name), Arc::new(EmptyTable::new(schema)));
    }
    let session = Engine::new(&LimitsConfig::default(), None).unwrap().session(tables, Some("db")).unwrap();
    let context = SessionContext::new_with_state(session);
    let mut fallible = Vec::new();
    for query in include_str!("../../benches/tpch.sql").split("-- q").skip(1) {
        let (number, sql) = query.split_once('\n').unwrap();
        let plan = context.sql(sql).await.unwrap().into_optimized_plan().unwrap();
        if !is_infallible(&plan).unwrap() {
            fallible.push(number.to_owned());
        }
    }
    // The first multiplies three decimals, which may be more digits than there are, and joins nothing. The others cast to
    // a decimal what may not fit into it.
    assert_eq!(fallible, ["1", "11", "17"]);
}
