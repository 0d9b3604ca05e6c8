//! Whether a reader's plan can fail on a row at all.
//!
//! What the engine knows of a guarded table's size, and the filters that it makes while it runs, decide in which order
//! rows meet each other, and so whether an expression is reached before a query is done. They come from hidden rows as
//! well. As long as no expression can fail that decides about time alone. When one can, it decides whether it does: a
//! join that starts with an empty table never looks at the other. So a plan that can fail is planned without them.
//!
//! The list is positive, as that of [`super::leakproof`], which is stricter: there a *hidden* row is looked at.

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DFSchema, Result, ScalarValue};
use datafusion::logical_expr::utils::merge_schema;
use datafusion::logical_expr::{BinaryExpr, Case, Expr, ExprSchemable, LogicalPlan, Operator};

use super::leakproof::{is_comparison, is_simple, is_text};
use super::logical::Barrier;

/// Aggregates that have a value for all rows that their arguments have one for.
const AGGREGATES: [&str; 10] =
    ["count", "sum", "avg", "min", "max", "bool_and", "bool_or", "stddev", "var", "first_value"];

/// Functions that have a value for all arguments of the types they take.
const FUNCTIONS: [&str; 8] =
    ["lower", "upper", "btrim", "character_length", "starts_with", "date_part", "coalesce", "get_field"];

/// Every number of so many digits is one that a decimal can hold.
const DIGITS: u32 = 38;

/// The average of decimals has four digits more behind the point than they have, and is refused where that does not fit.
/// With so many digits it fits for as many rows as there will ever be.
const DIGITS_OF_AVERAGE: u32 = 22;

/// Whether no expression above the barriers of `plan` can fail.
pub fn is_infallible(plan: &LogicalPlan) -> Result<bool> {
    let mut infallible = true;
    let above_groups = nodes_above_groups(plan);
    plan.apply_with_subqueries(|node| {
        if Barrier::of(node).is_some() {
            return Ok(TreeNodeRecursion::Jump);
        }
        let may_compute = above_groups.iter().any(|above| std::ptr::eq(*above, node));
        infallible = infallible && is_known(node) && node_is_infallible(node, may_compute)?;
        Ok(if infallible { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(infallible)
}

/// The nodes from the top that stand above an aggregate which everything goes through. What they meet are the same
/// groups in any order, so that arithmetic fails there or does not, and tells no value.
fn nodes_above_groups(plan: &LogicalPlan) -> Vec<&LogicalPlan> {
    let mut above = Vec::new();
    let mut node = plan;
    loop {
        let input = match node {
            LogicalPlan::Projection(projection) => &projection.input,
            LogicalPlan::Sort(sort) => &sort.input,
            LogicalPlan::SubqueryAlias(alias) => &alias.input,
            LogicalPlan::Aggregate(_) => return above,
            _ => return Vec::new(),
        };
        above.push(node);
        node = input;
    }
}

fn is_known(node: &LogicalPlan) -> bool {
    matches!(
        node,
        LogicalPlan::Projection(_)
            | LogicalPlan::Filter(_)
            | LogicalPlan::Join(_)
            | LogicalPlan::Aggregate(_)
            | LogicalPlan::Sort(_)
            | LogicalPlan::Limit(_)
            | LogicalPlan::SubqueryAlias(_)
            | LogicalPlan::Union(_)
            | LogicalPlan::Distinct(_)
            | LogicalPlan::TableScan(_)
            | LogicalPlan::EmptyRelation(_)
            | LogicalPlan::Values(_)
            | LogicalPlan::Subquery(_)
    )
}

fn node_is_infallible(node: &LogicalPlan, may_compute: bool) -> Result<bool> {
    let inputs = node.inputs();
    let schema = if inputs.is_empty() { node.schema().as_ref().clone() } else { merge_schema(&inputs) };
    let judge = Judge { schema: &schema, may_compute };
    // Values that have no order fail where the first of them comes to be sorted, grouped or joined.
    let mut infallible = judge.compares_without_fail(node);
    node.apply_expressions(|expr| {
        infallible = infallible && judge.passes(expr);
        Ok(if infallible { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    Ok(infallible)
}

struct Judge<'a> {
    schema: &'a DFSchema,
    may_compute: bool,
}

impl Judge<'_> {
    fn passes(&self, expr: &Expr) -> bool {
        match expr {
            Expr::Column(_) | Expr::Literal(..) | Expr::OuterReferenceColumn(..) => true,
            Expr::Alias(alias) => self.passes(&alias.expr),
            Expr::Not(inner)
            | Expr::IsTrue(inner)
            | Expr::IsFalse(inner)
            | Expr::IsUnknown(inner)
            | Expr::IsNotTrue(inner)
            | Expr::IsNotFalse(inner)
            | Expr::IsNotUnknown(inner)
            | Expr::IsNull(inner)
            | Expr::IsNotNull(inner) => self.passes(inner),
            Expr::Between(between) => {
                [&between.expr, &between.low, &between.high].into_iter().all(|part| self.is_simple(part))
            }
            Expr::InList(list) => {
                self.is_simple(&list.expr) && list.list.iter().all(|item| self.is_simple(item))
            }
            Expr::Like(like) => self.passes(&like.expr) && matches!(&*like.pattern, Expr::Literal(..)),
            Expr::Case(case) => self.case_passes(case),
            Expr::BinaryExpr(binary) => self.binary_passes(expr, binary),
            Expr::TryCast(cast) => self.is_simple(&cast.expr),
            Expr::Cast(cast) => {
                self.passes(&cast.expr)
                    && self.type_of(&cast.expr).is_some_and(|from| {
                        let to = cast.field.data_type();
                        widens(&from, to) || (self.may_compute && from.is_numeric() && to.is_numeric())
                    })
            }
            Expr::ScalarFunction(call) => {
                self.all(&call.args) && self.function_passes(call.func.name(), &call.args)
            }
            Expr::AggregateFunction(call) => {
                AGGREGATES.contains(&call.func.name())
                    && (call.func.name() != "avg" || self.has_average(&call.params.args))
                    && call.params.order_by.iter().all(|sort| self.is_simple(&sort.expr))
                    && self.all(&call.params.args)
                    && call.params.filter.as_ref().is_none_or(|filter| self.passes(filter))
            }
            Expr::GroupingSet(sets) => sets.distinct_expr().into_iter().all(|expr| self.passes(expr)),
            // Their queries are looked at like the rest of the plan; more than one row is a fault.
            Expr::ScalarSubquery(query) => query.subquery.max_rows().is_some_and(|rows| rows <= 1),
            Expr::Exists(_) => true,
            Expr::InSubquery(query) => self.is_simple(&query.expr),
            _ => false,
        }
    }

    fn compares_without_fail(&self, node: &LogicalPlan) -> bool {
        let has_simple_columns = |input: &LogicalPlan| {
            input
                .schema()
                .fields()
                .iter()
                .all(|field| is_simple(field.data_type()) || field.data_type().is_null())
        };
        match node {
            LogicalPlan::Sort(sort) => sort.expr.iter().all(|key| self.is_simple(&key.expr)),
            LogicalPlan::Aggregate(aggregate) => aggregate.group_expr.iter().all(|key| match key {
                Expr::GroupingSet(sets) => sets.distinct_expr().into_iter().all(|key| self.is_simple(key)),
                key => self.is_simple(key),
            }),
            LogicalPlan::Join(join) => {
                join.on.iter().all(|(left, right)| self.is_simple(left) && self.is_simple(right))
            }
            LogicalPlan::Distinct(distinct) => has_simple_columns(distinct.input()),
            _ => true,
        }
    }

    fn all(&self, exprs: &[Expr]) -> bool {
        exprs.iter().all(|expr| self.passes(expr))
    }

    fn type_of(&self, expr: &Expr) -> Option<DataType> {
        expr.get_type(self.schema).ok()
    }

    /// Of a type whose values compare without fail.
    fn is_simple(&self, expr: &Expr) -> bool {
        self.passes(expr) && self.type_of(expr).is_some_and(|given| is_simple(&given) || given.is_null())
    }

    fn case_passes(&self, case: &Case) -> bool {
        let branches = case.when_then_expr.iter().flat_map(|(when, then)| [when, then]);
        let others = case.expr.iter().chain(&case.else_expr);
        branches.chain(others).all(|part| self.passes(part))
    }

    fn binary_passes(&self, whole: &Expr, binary: &BinaryExpr) -> bool {
        let BinaryExpr { left, op, right } = binary;
        match op {
            Operator::And | Operator::Or => self.passes(left) && self.passes(right),
            op if is_comparison(*op) => {
                self.is_simple(left) && self.is_simple(right) && self.are_alike(left, right)
            }
            Operator::Plus | Operator::Minus | Operator::Multiply => {
                self.passes(left) && self.passes(right) && (self.may_compute || self.has_room(whole))
            }
            Operator::Divide => {
                let never_fails = self.type_of(whole).is_some_and(|of| of.is_floating());
                self.passes(left) && self.passes(right) && (never_fails || self.may_compute)
            }
            _ => false,
        }
    }

    fn has_average(&self, args: &[Expr]) -> bool {
        let fits = |arg: &Expr| match self.type_of(arg) {
            Some(DataType::Decimal128(..)) => {
                self.digits(arg).is_some_and(|digits| digits <= DIGITS_OF_AVERAGE)
            }
            Some(other) => other.is_integer() || other.is_floating(),
            None => false,
        };
        args.iter().all(fits)
    }

    /// Whole numbers wrap and floats become infinite; decimals fail when they have more digits than there are.
    fn has_room(&self, result: &Expr) -> bool {
        match self.type_of(result) {
            Some(DataType::Decimal128(..)) => self.digits(result).is_some_and(|digits| digits <= DIGITS),
            Some(other) => other.is_integer() || other.is_floating(),
            None => false,
        }
    }

    /// How many digits a decimal has at most, those behind the point among them.
    fn digits(&self, expr: &Expr) -> Option<u32> {
        let DataType::Decimal128(precision, scale) = self.type_of(expr)? else { return None };
        let as_scaled = |part: &Expr| {
            let DataType::Decimal128(_, of_part) = self.type_of(part)? else { return None };
            let more = u32::try_from(i16::from(scale) - i16::from(of_part)).ok()?;
            self.digits(part)?.checked_add(more)
        };
        match expr {
            Expr::Alias(alias) => self.digits(&alias.expr),
            Expr::Literal(ScalarValue::Decimal128(Some(value), ..), _) => {
                Some(value.unsigned_abs().checked_ilog10().map_or(1, |digits| digits.saturating_add(1)))
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Plus | Operator::Minus, right }) => {
                as_scaled(left)?.max(as_scaled(right)?).checked_add(1)
            }
            Expr::BinaryExpr(BinaryExpr { left, op: Operator::Multiply, right }) => {
                self.digits(left)?.checked_add(self.digits(right)?)
            }
            _ => Some(u32::from(precision)),
        }
    }

    fn are_alike(&self, left: &Expr, right: &Expr) -> bool {
        match (self.type_of(left), self.type_of(right)) {
            (Some(left), Some(right)) => left == right || (is_text(&left) && is_text(&right)),
            _ => false,
        }
    }

    fn function_passes(&self, name: &str, args: &[Expr]) -> bool {
        match (name, args) {
            ("substr", [_, places @ ..]) => places.iter().all(is_not_negative),
            ("date_part", [_, of]) => self.type_of(of).is_some_and(|of| of == DataType::Date32),
            _ => FUNCTIONS.contains(&name),
        }
    }
}

/// Whether every value of `from` is one of `to`.
fn widens(from: &DataType, to: &DataType) -> bool {
    match (from, to) {
        (from, to) if from == to || from.is_null() => true,
        (from, to) if is_text(from) && is_text(to) => true,
        (from, DataType::Float64) => from.is_numeric(),
        (DataType::Decimal128(digits, scale), DataType::Decimal128(more, finer)) => {
            scale <= finer && i16::from(*digits) - i16::from(*scale) <= i16::from(*more) - i16::from(*finer)
        }
        (from, DataType::Decimal128(digits, scale)) => {
            from.is_integer() && i16::from(*digits) - i16::from(*scale) >= 20
        }
        (from, DataType::Int64) => from.is_signed_integer(),
        (DataType::Int8 | DataType::Int16, DataType::Int32) | (DataType::Int8, DataType::Int16) => true,
        _ => false,
    }
}

fn is_not_negative(expr: &Expr) -> bool {
    matches!(expr, Expr::Literal(ScalarValue::Int64(Some(number)), _) if *number >= 0)
}
