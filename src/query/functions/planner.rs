//! The engine's planners of grammar, with every function that they plan under its bounds.
//!
//! `[1, 2]`, `a || b` and `OVERLAY(…)` name no function, so the planners put in the engine's own. What the engine has
//! as an operator and not as a function is planned as a function here when its result can outgrow its arguments.

use std::sync::Arc;

use datafusion::arrow::compute::kernels::concat_elements::concat_elements_dyn;
use datafusion::arrow::datatypes::{DataType, Field};
use datafusion::common::utils::list_ndims;
use datafusion::common::{DFSchema, Result, TableReference, plan_err};
use datafusion::execution::SessionStateDefaults;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::planner::{
    ExprPlanner, PlannerResult, RawAggregateExpr, RawBinaryExpr, RawDictionaryExpr, RawFieldAccessExpr,
    RawWindowExpr,
};
use datafusion::logical_expr::type_coercion::binary::BinaryTypeCoercer;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility, WindowFunctionDefinition,
};
use datafusion::prelude::lit;
use datafusion::sql::sqlparser::ast::BinaryOperator;

use super::bounded::{Bounds, bounded, with_bounds};

/// The name of the function that `||` is. No statement can write it as one.
pub const CONCATENATION: &str = "||";

/// The most centroids that a statement may ask an approximation for: they are allocated at once.
const CENTROIDS: u64 = 10_000;

/// The planners of the engine, under `bounds`.
pub fn planners(bounds: &Arc<Bounds>) -> Vec<Arc<dyn ExprPlanner>> {
    let operators: Arc<dyn ExprPlanner> = Arc::new(Operators(Arc::clone(bounds)));
    let inner = SessionStateDefaults::default_expr_planners().into_iter();
    let bounded = inner.map(|inner| Arc::new(Bounding { inner, bounds: Arc::clone(bounds) }) as _);
    std::iter::once(operators).chain(bounded).collect()
}

/// What the engine plans as an operator, and aggregates with too much in them.
#[derive(Debug)]
struct Operators(Arc<Bounds>);

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let expr = with_truth_values(expr, schema);
        let is_list = |side: &Expr| {
            Ok::<_, datafusion::error::DataFusionError>(list_ndims(&side.get_type(schema)?) > 0)
        };
        if expr.op == BinaryOperator::StringConcat && !is_list(&expr.left)? && !is_list(&expr.right)? {
            let function = bounded(Arc::new(ScalarUDF::new_from_impl(Concatenation::new())), &self.0);
            return Ok(PlannerResult::Planned(call(function, vec![expr.left, expr.right])));
        }
        Ok(match pattern_match(&expr.op) {
            // One pattern is compiled once.
            Some((negated, ignores_case)) if !matches!(expr.right, Expr::Literal(..)) => {
                let function = bounded(datafusion::functions::regex::regexp_like(), &self.0);
                let flags = ignores_case.then(|| lit("i"));
                let args = [expr.left, expr.right].into_iter().chain(flags).collect();
                let found = call(function, args);
                PlannerResult::Planned(if negated { Expr::Not(Box::new(found)) } else { found })
            }
            _ => PlannerResult::Original(expr),
        })
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        if expr.func.name().starts_with("approx_percentile_cont") {
            refuse_many_centroids(expr.func.name(), &expr.args)?;
        }
        Ok(PlannerResult::Original(expr))
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        if let WindowFunctionDefinition::AggregateUDF(function) = &expr.func_def {
            if ["array_agg", "string_agg"].contains(&function.name()) {
                return plan_err!(
                    "`{}` is not possible over a window, where each row would hold all before it; use GROUP BY",
                    function.name()
                );
            }
            if function.name().starts_with("approx_percentile_cont") {
                refuse_many_centroids(function.name(), &expr.args)?;
            }
        }
        Ok(PlannerResult::Original(expr))
    }
}

/// `flag = 't'` with the truth value that the text is read as, by the words of PostgreSQL.
fn with_truth_values(mut expr: RawBinaryExpr, schema: &DFSchema) -> RawBinaryExpr {
    if !matches!(expr.op, BinaryOperator::Eq | BinaryOperator::NotEq) {
        return expr;
    }
    let is_boolean = |side: &Expr| side.get_type(schema).is_ok_and(|found| found == DataType::Boolean);
    let (left, right) = (is_boolean(&expr.left), is_boolean(&expr.right));
    let text = match (left, right) {
        (true, false) => &mut expr.right,
        (false, true) => &mut expr.left,
        _ => return expr,
    };
    if let Some(value) = truth_value(text) {
        *text = lit(value);
    }
    expr
}

fn truth_value(text: &Expr) -> Option<bool> {
    let Expr::Literal(value, _) = text else { return None };
    match value.try_as_str()??.trim().to_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "on" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

fn call(function: Arc<ScalarUDF>, args: Vec<Expr>) -> Expr {
    Expr::ScalarFunction(ScalarFunction::new_udf(function, args))
}

/// Whether `op` matches a pattern, and then whether it negates and whether it ignores case.
fn pattern_match(op: &BinaryOperator) -> Option<(bool, bool)> {
    match op {
        BinaryOperator::PGRegexMatch => Some((false, false)),
        BinaryOperator::PGRegexIMatch => Some((false, true)),
        BinaryOperator::PGRegexNotMatch => Some((true, false)),
        BinaryOperator::PGRegexNotIMatch => Some((true, true)),
        _ => None,
    }
}

/// The last argument of an approximation, when it has one more than it needs, is how many centroids it keeps.
fn refuse_many_centroids(name: &str, args: &[Expr]) -> Result<()> {
    let needed = if name.ends_with("with_weight") { 3 } else { 2 };
    let Some(wanted) = args.get(needed) else { return Ok(()) };
    let number = match wanted {
        Expr::Literal(value, _) => value.to_string().parse::<u64>().ok(),
        _ => None,
    };
    match number.is_some_and(|number| number <= CENTROIDS) {
        true => Ok(()),
        false => plan_err!("the centroids of `{name}` must be a constant number of at most {CENTROIDS}"),
    }
}

/// A planner of the engine.
#[derive(Debug)]
struct Bounding {
    inner: Arc<dyn ExprPlanner>,
    bounds: Arc<Bounds>,
}

impl Bounding {
    fn under<T>(&self, planned: PlannerResult<T>) -> Result<PlannerResult<T>> {
        Ok(match planned {
            PlannerResult::Planned(expr) => PlannerResult::Planned(with_bounds(expr, &self.bounds)?),
            original => original,
        })
    }
}

impl ExprPlanner for Bounding {
    fn plan_binary_op(&self, expr: RawBinaryExpr, schema: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        self.under(self.inner.plan_binary_op(expr, schema)?)
    }

    fn plan_field_access(
        &self,
        expr: RawFieldAccessExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawFieldAccessExpr>> {
        self.under(self.inner.plan_field_access(expr, schema)?)
    }

    fn plan_array_literal(&self, exprs: Vec<Expr>, schema: &DFSchema) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_array_literal(exprs, schema)?)
    }

    fn plan_position(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_position(args)?)
    }

    fn plan_dictionary_literal(
        &self,
        expr: RawDictionaryExpr,
        schema: &DFSchema,
    ) -> Result<PlannerResult<RawDictionaryExpr>> {
        self.under(self.inner.plan_dictionary_literal(expr, schema)?)
    }

    fn plan_extract(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_extract(args)?)
    }

    fn plan_substring(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_substring(args)?)
    }

    fn plan_struct_literal(&self, args: Vec<Expr>, is_named: bool) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_struct_literal(args, is_named)?)
    }

    fn plan_overlay(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_overlay(args)?)
    }

    fn plan_make_map(&self, args: Vec<Expr>) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_make_map(args)?)
    }

    fn plan_compound_identifier(
        &self,
        field: &Field,
        qualifier: Option<&TableReference>,
        nested: &[String],
    ) -> Result<PlannerResult<Vec<Expr>>> {
        self.under(self.inner.plan_compound_identifier(field, qualifier, nested)?)
    }

    fn plan_aggregate(&self, expr: RawAggregateExpr) -> Result<PlannerResult<RawAggregateExpr>> {
        self.inner.plan_aggregate(expr)
    }

    fn plan_window(&self, expr: RawWindowExpr) -> Result<PlannerResult<RawWindowExpr>> {
        self.inner.plan_window(expr)
    }
}

/// `a || b`, which is NULL where either is, unlike `concat`.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Concatenation(Signature);

impl Concatenation {
    fn new() -> Self {
        Self(Signature::user_defined(Volatility::Immutable))
    }
}

impl ScalarUDFImpl for Concatenation {
    fn name(&self) -> &str {
        CONCATENATION
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let sides = args.iter().map(|arg| arg.schema_name().to_string()).collect::<Vec<_>>();
        Ok(sides.join(" || "))
    }

    fn signature(&self) -> &Signature {
        &self.0
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        let [left, right] = types else { return plan_err!("`||` has two sides") };
        BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_result_type()
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let [left, right] = types else { return plan_err!("`||` has two sides") };
        let (left, right) = BinaryTypeCoercer::new(left, &Operator::StringConcat, right).get_input_types()?;
        Ok(vec![left, right])
    }

    fn is_strict(&self) -> bool {
        true
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let sides = ColumnarValue::values_to_arrays(&args.args)?;
        let [left, right] = sides.as_slice() else { return plan_err!("`||` has two sides") };
        let joined = concat_elements_dyn(left.as_ref(), right.as_ref())?;
        match is_constant {
            true => Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&joined, 0)?)),
            false => Ok(ColumnarValue::Array(joined)),
        }
    }
}
