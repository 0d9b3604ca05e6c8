//! A function that may not make more than the gateway can hold, though the engine's would.
//!
//! `repeat('x', 2000000000)` is twenty-five bytes of SQL. The engine counts the memory of its operators and not that
//! of its functions, and an allocation that fails ends the process. So each function that makes more than it is given
//! is asked beforehand, from its arguments, how much it would make. What a function means is not changed here.

use std::hash::{Hash, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use datafusion::arrow::array::{Array, ArrayRef};
use datafusion::arrow::compute::concat;
use datafusion::arrow::datatypes::{DataType, FieldRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Result, plan_err, resources_err};
use datafusion::logical_expr::interval_arithmetic::Interval;
use datafusion::logical_expr::preimage::PreimageResult;
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Documentation, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature,
};

use super::size::{Growth, growth};

/// Constants below this are not counted: only the length of the statement bounds how many there are.
const SMALL: u64 = 4096;

/// The largest list or binary value of a fixed size that a type may name. NULL of such a type takes all of it.
pub const LARGEST_FIXED_SIZE: i32 = 4096;

/// How much the functions of one query may make.
#[derive(Debug)]
pub struct Bounds {
    /// In one call, for all rows of a batch.
    batch: u64,
    /// In one call without a column, whose value may be copied for each row.
    constant: u64,
    /// What is left for such values, since all of them are held at once.
    constants: AtomicU64,
}

impl Bounds {
    /// For one query under a memory limit of `memory` bytes.
    pub fn of_query(memory: u64) -> Arc<Self> {
        Self::with_constants(memory, memory / 8)
    }

    /// For the expressions of the policy, which are made for many queries and by those who may.
    pub fn of_policy(memory: u64) -> Arc<Self> {
        Self::with_constants(memory, u64::MAX)
    }

    fn with_constants(memory: u64, constants: u64) -> Arc<Self> {
        Arc::new(Self { batch: memory / 4, constant: memory / 32, constants: AtomicU64::new(constants) })
    }

    fn hold_constant(&self, size: u64) -> Result<()> {
        if size <= SMALL {
            return Ok(());
        }
        let take = |left: u64| left.checked_sub(size);
        match size <= self.constant
            && self.constants.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).is_ok()
        {
            true => Ok(()),
            false => too_much(),
        }
    }
}

/// `function` under `bounds`; as it is when it makes no more than it is given.
pub fn bounded(function: Arc<ScalarUDF>, bounds: &Arc<Bounds>) -> Arc<ScalarUDF> {
    match growth(function.name()) {
        Some(growth) if !is_bounded(&function) => Arc::new(ScalarUDF::new_from_impl(Bounded {
            inner: function,
            growth,
            bounds: Arc::clone(bounds),
        })),
        _ => function,
    }
}

/// Whether `function` can make more than it is given, so that it needs bounds.
pub fn is_growing(function: &Arc<ScalarUDF>) -> bool {
    growth(function.name()).is_some()
}

/// `expr` with every function in it under `bounds`.
pub fn with_bounds(expr: Expr, bounds: &Arc<Bounds>) -> Result<Expr> {
    let bounded = expr.transform_up(|part| match part {
        Expr::ScalarFunction(mut call) if !is_bounded(&call.func) => {
            call.func = bounded(call.func, bounds);
            Ok(Transformed::yes(Expr::ScalarFunction(call)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(bounded.data)
}

fn is_bounded(function: &ScalarUDF) -> bool {
    function.inner().is::<Bounded>()
}

fn too_much<T>() -> Result<T> {
    resources_err!("a function would make more than it may")
}

#[derive(Debug)]
struct Bounded {
    inner: Arc<ScalarUDF>,
    growth: Growth,
    bounds: Arc<Bounds>,
}

impl Bounded {
    /// Calls the function for as many rows at once as surely fit, when what it makes may be far less than it could.
    fn in_parts(&self, args: &ScalarFunctionArgs, sizes: &[u64]) -> Result<ColumnarValue> {
        let (mut parts, mut made, mut from) = (Vec::<ArrayRef>::new(), 0_u64, 0_usize);
        while from < args.number_rows {
            let mut total = 0_u64;
            let rows = sizes.iter().skip(from).take_while(|size| {
                total = total.saturating_add(**size);
                total <= self.bounds.batch
            });
            let rows = rows.count();
            if rows == 0 {
                return too_much();
            }
            let part = self.inner.invoke_with_args(part_of(args, from, rows))?.into_array(rows)?;
            made = made.saturating_add(u64::try_from(part.get_array_memory_size()).unwrap_or(u64::MAX));
            if made > self.bounds.batch {
                return too_much();
            }
            parts.push(part);
            from += rows;
        }
        let parts = parts.iter().map(AsRef::as_ref).collect::<Vec<&dyn Array>>();
        Ok(ColumnarValue::Array(concat(&parts)?))
    }
}

fn part_of(args: &ScalarFunctionArgs, from: usize, rows: usize) -> ScalarFunctionArgs {
    let slice = |value: &ColumnarValue| match value {
        ColumnarValue::Array(array) => ColumnarValue::Array(array.slice(from, rows)),
        scalar => scalar.clone(),
    };
    ScalarFunctionArgs {
        args: args.args.iter().map(slice).collect(),
        arg_fields: args.arg_fields.clone(),
        number_rows: rows,
        return_field: Arc::clone(&args.return_field),
        config_options: Arc::clone(&args.config_options),
    }
}

fn refuse_large_type(data_type: &DataType) -> Result<()> {
    fn size(data_type: &DataType) -> i64 {
        match data_type {
            DataType::FixedSizeList(item, length) => {
                i64::from(*length).saturating_mul(size(item.data_type()).max(1))
            }
            DataType::FixedSizeBinary(length) => i64::from(*length),
            DataType::List(item) | DataType::LargeList(item) | DataType::Map(item, _) => {
                size(item.data_type())
            }
            DataType::Struct(fields) => {
                fields.iter().map(|field| size(field.data_type())).fold(0, i64::saturating_add)
            }
            DataType::Dictionary(_, values) => size(values),
            _ => 0,
        }
    }
    fn is_encoded(data_type: &DataType) -> bool {
        match data_type {
            DataType::RunEndEncoded(..)
            | DataType::ListView(_)
            | DataType::LargeListView(_)
            | DataType::Union(..) => true,
            DataType::FixedSizeList(item, _)
            | DataType::List(item)
            | DataType::LargeList(item)
            | DataType::Map(item, _) => is_encoded(item.data_type()),
            DataType::Struct(fields) => fields.iter().any(|field| is_encoded(field.data_type())),
            DataType::Dictionary(_, values) => is_encoded(values),
            _ => false,
        }
    }
    // Other forms of what there is: no client needs them, and what is known of forms here is known of the usual ones.
    if is_encoded(data_type) {
        return plan_err!("the type {data_type} is not possible here");
    }
    match size(data_type) > i64::from(LARGEST_FIXED_SIZE) {
        true => plan_err!("a type may have at most {LARGEST_FIXED_SIZE} values or bytes of a fixed number"),
        false => Ok(()),
    }
}

impl PartialEq for Bounded {
    fn eq(&self, other: &Self) -> bool {
        self.inner == other.inner
    }
}

impl Eq for Bounded {}

impl Hash for Bounded {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}

impl ScalarUDFImpl for Bounded {
    fn name(&self) -> &str {
        self.inner.name()
    }

    fn aliases(&self) -> &[String] {
        self.inner.aliases()
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        self.inner.inner().schema_name(args)
    }

    fn signature(&self) -> &Signature {
        self.inner.signature()
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        self.inner.inner().return_type(arg_types)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs<'_>) -> Result<FieldRef> {
        let field = self.inner.inner().return_field_from_args(args)?;
        if self.growth == Growth::OfType {
            refuse_large_type(field.data_type())?;
        }
        Ok(field)
    }

    fn is_strict(&self) -> bool {
        self.inner.inner().is_strict()
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let is_constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if is_constant { 1 } else { args.number_rows };
        let Some(sizes) = self.growth.sizes(&args.args, rows)? else {
            return self.inner.invoke_with_args(args);
        };
        let total = sizes.iter().copied().fold(0, u64::saturating_add);
        if is_constant {
            self.bounds.hold_constant(total)?;
            return self.inner.invoke_with_args(args);
        }
        match total <= self.bounds.batch {
            true => self.inner.invoke_with_args(args),
            false => self.in_parts(&args, &sizes),
        }
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        // The engine makes operators of these, which have no bounds. One pattern needs none.
        if self.growth == Growth::Patterns && !matches!(args.get(1), Some(Expr::Literal(..))) {
            return Ok(ExprSimplifyResult::Original(args));
        }
        Ok(match self.inner.inner().simplify(args, info)? {
            ExprSimplifyResult::Simplified(expr) => {
                // Where only whether it is NULL is asked, nobody asked for the type before.
                if self.growth == Growth::OfType {
                    refuse_large_type(&info.get_data_type(&expr)?)?;
                }
                ExprSimplifyResult::Simplified(with_bounds(expr, &self.bounds)?)
            }
            original => original,
        })
    }

    fn preimage(&self, args: &[Expr], literal: &Expr, info: &SimplifyContext) -> Result<PreimageResult> {
        self.inner.inner().preimage(args, literal, info)
    }

    fn short_circuits(&self) -> bool {
        self.inner.inner().short_circuits()
    }

    fn conditional_arguments<'a>(&self, args: &'a [Expr]) -> Option<(Vec<&'a Expr>, Vec<&'a Expr>)> {
        self.inner.inner().conditional_arguments(args)
    }

    fn evaluate_bounds(&self, input: &[&Interval]) -> Result<Interval> {
        self.inner.inner().evaluate_bounds(input)
    }

    fn propagate_constraints(
        &self,
        interval: &Interval,
        inputs: &[&Interval],
    ) -> Result<Option<Vec<Interval>>> {
        self.inner.inner().propagate_constraints(interval, inputs)
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        self.inner.inner().output_ordering(inputs)
    }

    fn preserves_lex_ordering(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.inner().preserves_lex_ordering(inputs)
    }

    fn strictly_order_preserving(&self, inputs: &[ExprProperties]) -> Result<bool> {
        self.inner.inner().strictly_order_preserving(inputs)
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        self.inner.inner().coerce_types(arg_types)
    }

    fn documentation(&self) -> Option<&Documentation> {
        self.inner.inner().documentation()
    }
}
