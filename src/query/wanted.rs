//! The types that a statement wants its parameters in.
//!
//! The engine knows them of comparisons. Of what is cast, and of a list that a value is looked for in, it does not say; that
//! is said here by the rules of PostgreSQL: <https://www.postgresql.org/docs/current/typeconv.html>.

use std::collections::BTreeMap;

use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, Result as EngineResult};
use datafusion::logical_expr::{Expr, ExprSchemable, LogicalPlan};

use super::fault;
use crate::error::{Error, Result};

/// How many parameters a statement may have.
const MOST: usize = 65_535;

/// The types of `$1`, `$2` … up to the last one that is named, as far as the statement says; else NULL's.
///
/// # Errors
///
/// `invalid_request` for a parameter without a number.
pub(super) fn parameter_types(plan: &LogicalPlan, asks_catalog: bool) -> Result<Vec<DataType>> {
    // The types that the catalog alone has, as `oid`, are numbers in the plan: their clients would take them for others.
    let implied = match asks_catalog {
        true => BTreeMap::new(),
        false => implied(plan).map_err(fault::translate)?,
    };
    let mut types = Vec::new();
    for (name, data_type) in plan.get_parameter_types().map_err(fault::translate)? {
        let number =
            name.trim_start_matches('$').parse::<usize>().ok().and_then(|number| number.checked_sub(1));
        let at = number
            .filter(|at| *at < MOST)
            .ok_or_else(|| Error::invalid_request(format!("`{name}` is no parameter: write `?` or `$1`")))?;
        if types.len() <= at {
            types.resize(at + 1, DataType::Null);
        }
        if let (Some(place), Some(data_type)) =
            (types.get_mut(at), data_type.or_else(|| implied.get(&name).cloned()))
        {
            *place = data_type;
        }
    }
    Ok(types)
}

/// What the place of a parameter says of its type, where it says one and no other place says another.
fn implied(plan: &LogicalPlan) -> EngineResult<BTreeMap<String, DataType>> {
    let mut found: BTreeMap<String, Option<DataType>> = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        let schema = schema_below(node)?;
        let counts_rows = matches!(node, LogicalPlan::Limit(_));
        node.apply_expressions(|expr| {
            if let (true, Some(name)) = (counts_rows, parameter(expr)) {
                found.insert(name.to_owned(), Some(DataType::Int64));
            }
            expr.apply(|expr| {
                for (name, data_type) in said_by(expr, &schema) {
                    found
                        .entry(name.to_owned())
                        .and_modify(|known| {
                            if known.as_ref() != Some(&data_type) {
                                *known = None;
                            }
                        })
                        .or_insert_with(|| Some(data_type.clone()));
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(found.into_iter().filter_map(|(name, data_type)| Some((name, data_type?))).collect())
}

fn schema_below(node: &LogicalPlan) -> EngineResult<DFSchema> {
    let mut schema = DFSchema::empty();
    for input in node.inputs() {
        schema.merge(input.schema());
    }
    Ok(schema)
}

/// The parameters right in `expr` and the types that it says they have.
fn said_by<'a>(expr: &'a Expr, schema: &DFSchema) -> Vec<(&'a str, DataType)> {
    match expr {
        Expr::Cast(cast) => parameter(&cast.expr).map(|name| (name, cast.field.data_type().clone())),
        // `x = ANY($1)`, as the engine plans it.
        Expr::ScalarFunction(call) if call.name() == "array_has" => match call.args.as_slice() {
            [list, item] => list_of(list, item, schema),
            _ => None,
        },
        // `x > ANY($1)` and `x > ALL($1)`: compared with the least or the greatest.
        Expr::BinaryExpr(compared) => {
            let (left, right) = (compared.left.as_ref(), compared.right.as_ref());
            return [(left, right), (right, left)]
                .into_iter()
                .filter_map(|(edge, item)| list_of(edge_of(edge)?, item, schema))
                .collect();
        }
        _ => None,
    }
    .into_iter()
    .collect()
}

fn edge_of(expr: &Expr) -> Option<&Expr> {
    match expr {
        Expr::ScalarFunction(call) if ["array_min", "array_max"].contains(&call.name()) => call.args.first(),
        _ => None,
    }
}

fn list_of<'a>(list: &'a Expr, item: &Expr, schema: &DFSchema) -> Option<(&'a str, DataType)> {
    let name = parameter(list)?;
    let item = item.get_type(schema).ok().filter(|item| !item.is_null())?;
    // A text is sent as one, however a table keeps it.
    let item = match item {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::Dictionary(_, value) => *value,
        other => other,
    };
    Some((name, DataType::new_list(item, true)))
}

fn parameter(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Placeholder(parameter) => Some(&parameter.id),
        _ => None,
    }
}
