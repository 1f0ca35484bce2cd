//! CEL, the language in which Kubernetes itself writes conditions, within bounds.
//!
//! An expression is short, its loops are nested two deep at most, and what it would cost is worked out from the size of
//! its input before it is evaluated: a hostile profile cannot make a run hang.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use cel::common::ast::{EntryExpr, Expr, IdedExpr};
use cel::{Context, Env, Program, Value};
use serde_json::Value as Json;

use crate::Version;

/// The longest expression, in bytes.
pub(crate) const LONGEST: usize = 1000;
/// How deep brackets may be nested, and so how deep the parser recurses.
const DEEPEST: usize = 24;
/// How deep loops may be nested.
const LOOPS: u32 = 2;
/// The most steps that an expression may take, by an estimate from above.
const BUDGET: u64 = 20_000_000;

/// Names of types, which are values.
const TYPES: [&str; 10] = ["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Why an expression cannot be used, or has no value here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CelError {
    #[error("the expression is {0} bytes long; {LONGEST} is the most")]
    Long(usize),
    #[error("brackets are nested more than {DEEPEST} deep")]
    Deep,
    #[error("map, filter, all and exists are nested more than {LOOPS} deep")]
    Loops,
    #[error("{0}")]
    Syntax(String),
    #[error("unknown name {name:?}; known are {known}")]
    Name { name: String, known: String },
    #[error("too much to work out: a list of {0} items")]
    Expensive(u64),
    #[error("{0}")]
    Evaluation(String),
    #[error("expected {expected}, found {found}")]
    Type { expected: &'static str, found: String },
    #[error("${{ is never closed by }}")]
    Open,
}

/// A compiled expression.
#[derive(Clone, Debug)]
pub(crate) struct Expression {
    program: Arc<Program>,
    text: String,
    size: u64,
    loops: u32,
    sums: u64,
    /// The variables that it looks at. Handing one over costs its size.
    names: BTreeSet<String>,
}

impl Expression {
    /// Compiles `text`, which may use the variables `known`.
    pub(crate) fn compile(text: &str, known: &[&str]) -> Result<Self, CelError> {
        if text.len() > LONGEST {
            return Err(CelError::Long(text.len()));
        }
        if depth(text) > DEEPEST {
            return Err(CelError::Deep);
        }
        let program = environment().compile(text).map_err(|errors| {
            let first = errors.to_string();
            CelError::Syntax(first.lines().next().unwrap_or("not an expression").to_owned())
        })?;
        let mut measure = Measure::default();
        measure.walk(program.expression(), 0, &mut known.to_vec());
        if measure.loops > LOOPS {
            return Err(CelError::Loops);
        }
        if let Some(name) = measure.unknown {
            return Err(CelError::Name { name, known: known.join(", ") });
        }
        let Measure { size, loops, sums, names, .. } = measure;
        Ok(Self { program: Arc::new(program), text: text.to_owned(), size, loops, sums, names })
    }

    /// The value, as JSON.
    pub(crate) fn evaluate(&self, variables: &Variables) -> Result<Json, CelError> {
        let longest = variables.longest.saturating_mul(self.sums + 1).max(self.size);
        if self.size.saturating_mul(longest.saturating_pow(self.loops)) > BUDGET {
            return Err(CelError::Expensive(variables.longest));
        }
        let mut context = Context::with_env(Arc::clone(environment()));
        // Both names are our own, and no overload of the standard library has them.
        let _ = context.add_function("atLeast", at_least);
        let _ = context.add_function("before", before);
        for (name, value) in variables.all.iter().filter(|(name, _)| self.names.contains(name)) {
            context.add_variable_from_value(name.clone(), value.clone());
        }
        let value = self.program.execute(&context).map_err(|error| CelError::Evaluation(words(&error)))?;
        json(&value, 0).ok_or_else(|| CelError::Type { expected: "a plain value", found: value.type_of().to_string() })
    }

    /// The value, which must be true or false.
    pub(crate) fn is_true(&self, variables: &Variables) -> Result<bool, CelError> {
        match self.evaluate(variables)? {
            Json::Bool(flag) => Ok(flag),
            other => Err(CelError::Type { expected: "true or false", found: other.to_string() }),
        }
    }

    /// The text.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }
}

/// An error without the insides of values, which may be as long as a manifest.
fn words(error: &cel::ExecutionError) -> String {
    let text = error.to_string();
    match text.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// What expressions see.
#[derive(Clone, Debug, Default)]
pub(crate) struct Variables {
    all: Vec<(String, Value)>,
    longest: u64,
}

impl Variables {
    pub(crate) fn set(&mut self, name: &str, json: &Json) {
        let (value, longest) = (value(json), longest(json));
        self.longest = self.longest.max(longest);
        match self.all.iter_mut().find(|(known, _)| known == name) {
            Some((_, known)) => *known = value,
            None => self.all.push((name.to_owned(), value)),
        }
    }
}

fn environment() -> &'static Arc<Env> {
    static ENV: OnceLock<Arc<Env>> = OnceLock::new();
    ENV.get_or_init(|| Arc::new(Env::stdlib().with_optional_support(true)))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the interpreter asks for")]
fn at_least(
    cel::extractors::This(this): cel::extractors::This<Arc<String>>,
    minimum: Arc<String>,
) -> cel::ResolveResult {
    compare("atLeast", &this, &minimum).map(|(this, minimum)| Value::Bool(this.at_least(&minimum)))
}

#[expect(clippy::needless_pass_by_value, reason = "the signature that the interpreter asks for")]
fn before(cel::extractors::This(this): cel::extractors::This<Arc<String>>, limit: Arc<String>) -> cel::ResolveResult {
    compare("before", &this, &limit).map(|(this, limit)| Value::Bool(!this.at_least(&limit)))
}

fn compare(function: &str, one: &str, other: &str) -> Result<(Version, Version), cel::ExecutionError> {
    let parse = |text: &str| text.parse().map_err(|error| cel::ExecutionError::function_error(function, error));
    Ok((parse(one)?, parse(other)?))
}

/// How deep the brackets outside of strings are nested, with every other sign that makes the parser recurse.
fn depth(text: &str) -> usize {
    let (mut depth, mut deepest, mut quote, mut escaped, mut signs) = (0usize, 0, None, false, 0usize);
    for c in text.chars() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(' | '[' | '{') => depth += 1,
            (None, ')' | ']' | '}') => depth = depth.saturating_sub(1),
            (None, '!' | '-' | '?') => signs += 1,
            _ => {}
        }
        deepest = deepest.max(depth);
    }
    // A conditional nests, and so may a row of negations; a few are plenty.
    deepest + signs.saturating_sub(16)
}

/// How large an expression is.
#[derive(Default)]
struct Measure {
    size: u64,
    loops: u32,
    /// Additions, each of which can make a list longer than any of its input.
    sums: u64,
    names: BTreeSet<String>,
    /// The first name that nothing stands behind.
    unknown: Option<String>,
}

impl Measure {
    fn walk<'e>(&mut self, node: &'e IdedExpr, loops: u32, known: &mut Vec<&'e str>) {
        self.size += 1;
        self.loops = self.loops.max(loops);
        match &node.expr {
            Expr::Call(call) => {
                self.sums += u64::from(call.func_name == "_+_");
                call.target.iter().for_each(|target| self.walk(target, loops, known));
                call.args.iter().for_each(|argument| self.walk(argument, loops, known));
            }
            Expr::Comprehension(looped) => {
                // What a loop runs over is worked out once, before it.
                self.walk(&looped.iter_range, loops, known);
                let outer = known.len();
                known.extend([looped.iter_var.as_str(), looped.accu_var.as_str()]);
                known.extend(looped.iter_var2.as_deref());
                for part in [&looped.accu_init, &looped.loop_cond, &looped.loop_step, &looped.result] {
                    self.walk(part, loops + 1, known);
                }
                known.truncate(outer);
            }
            Expr::List(list) => list.elements.iter().for_each(|element| self.walk(element, loops, known)),
            Expr::Select(select) => self.walk(&select.operand, loops, known),
            Expr::Map(map) => map.entries.iter().for_each(|entry| self.entry(&entry.expr, loops, known)),
            Expr::Struct(fields) => fields.entries.iter().for_each(|entry| self.entry(&entry.expr, loops, known)),
            Expr::Ident(name) if !known.contains(&name.as_str()) && !TYPES.contains(&name.as_str()) => {
                self.unknown.get_or_insert_with(|| name.clone());
            }
            Expr::Ident(name) => {
                self.names.insert(name.clone());
            }
            Expr::Unspecified | Expr::Literal(_) => {}
        }
    }

    fn entry<'e>(&mut self, entry: &'e EntryExpr, loops: u32, known: &mut Vec<&'e str>) {
        match entry {
            EntryExpr::StructField(field) => self.walk(&field.value, loops, known),
            EntryExpr::MapEntry(entry) => {
                self.walk(&entry.key, loops, known);
                self.walk(&entry.value, loops, known);
            }
        }
    }
}

/// The length of the longest list or mapping.
fn longest(json: &Json) -> u64 {
    let (own, below): (usize, u64) = match json {
        Json::Array(items) => (items.len(), items.iter().map(longest).max().unwrap_or(0)),
        Json::Object(entries) => (entries.len(), entries.values().map(longest).max().unwrap_or(0)),
        _ => (0, 0),
    };
    below.max(own as u64)
}

fn value(json: &Json) -> Value {
    match json {
        Json::Null => Value::Null,
        Json::Bool(flag) => Value::Bool(*flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Value::Int(number),
            (None, Some(number)) => Value::UInt(number),
            (None, None) => Value::Float(number.as_f64().unwrap_or_default()),
        },
        Json::String(text) => Value::String(Arc::new(text.clone())),
        Json::Array(items) => Value::List(Arc::new(items.iter().map(value).collect())),
        Json::Object(entries) => {
            let entries = entries.iter().filter(|(_, value)| !value.is_null());
            let entries: std::collections::HashMap<String, Value> =
                entries.map(|(key, json)| (key.clone(), value(json))).collect();
            Value::from(entries)
        }
    }
}

/// The value as JSON, where it has any.
fn json(value: &Value, depth: usize) -> Option<Json> {
    if depth > 64 {
        return None;
    }
    Some(match value {
        Value::Null => Json::Null,
        Value::Bool(flag) => Json::Bool(*flag),
        Value::Int(number) => Json::from(*number),
        Value::UInt(number) => Json::from(*number),
        Value::Float(number) => Json::from(*number),
        Value::String(text) => Json::from(text.as_str()),
        Value::List(items) => Json::Array(items.iter().map(|item| json(item, depth + 1)).collect::<Option<_>>()?),
        Value::Map(map) => {
            let mut entries: Vec<(String, Json)> = Vec::new();
            for (key, value) in map.map.iter() {
                entries.push((key.to_string(), json(value, depth + 1)?));
            }
            entries.sort_by(|(one, _), (other, _)| one.cmp(other));
            Json::Object(entries.into_iter().collect())
        }
        _ => return None,
    })
}

/// A text with expressions in it: `${metadata.name}-es`.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    Text(String),
    Value(Expression),
}

impl Template {
    pub(crate) fn compile(text: &str, known: &[&str]) -> Result<Self, CelError> {
        let (mut parts, mut rest) = (Vec::new(), text);
        while let Some(start) = rest.find("${") {
            let (before, after) = rest.split_at(start);
            if !before.is_empty() {
                parts.push(Part::Text(before.to_owned()));
            }
            let inner = after.get(2..).unwrap_or_default();
            let end = closing(inner).ok_or(CelError::Open)?;
            let expression = inner.get(..end).unwrap_or_default();
            parts.push(Part::Value(Expression::compile(expression, known)?));
            rest = inner.get(end + 1..).unwrap_or_default();
        }
        if !rest.is_empty() {
            parts.push(Part::Text(rest.to_owned()));
        }
        Ok(Self { parts })
    }

    /// The value: of any type where the text is one expression and nothing else, else a string.
    pub(crate) fn value(&self, variables: &Variables) -> Result<Json, CelError> {
        if let [Part::Value(only)] = self.parts.as_slice() {
            return only.evaluate(variables);
        }
        self.text(variables).map(Json::String)
    }

    /// The text, with the expressions' values in it.
    pub(crate) fn text(&self, variables: &Variables) -> Result<String, CelError> {
        let mut text = String::new();
        for part in &self.parts {
            match part {
                Part::Text(plain) => text.push_str(plain),
                Part::Value(expression) => match expression.evaluate(variables)? {
                    Json::String(value) => text.push_str(&value),
                    Json::Number(value) => text.push_str(&value.to_string()),
                    Json::Bool(value) => text.push_str(if value { "true" } else { "false" }),
                    other => return Err(CelError::Type { expected: "text", found: other.to_string() }),
                },
            }
        }
        Ok(text)
    }
}

/// Where the brace is that closes an expression: braces and strings within it do not.
fn closing(text: &str) -> Option<usize> {
    let (mut depth, mut quote, mut escaped) = (0usize, None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(open), c) if c == open => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '{') => depth += 1,
            (None, '}') if depth == 0 => return Some(at),
            (None, '}') => depth -= 1,
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn variables() -> Variables {
        let mut variables = Variables::default();
        variables.set("self", &json!({"spec": {"version": "8.8.0-SNAPSHOT", "none": null, "list": ["a", "b"]}}));
        variables
    }

    fn evaluate(text: &str) -> Result<Json, CelError> {
        Expression::compile(text, &["self"]).and_then(|expression| expression.evaluate(&variables()))
    }

    #[test]
    fn versions_are_compared_by_methods() {
        assert_eq!(evaluate("self.spec.version.atLeast('8.8.0')"), Ok(json!(true)));
        assert_eq!(evaluate("self.spec.version.before('8.8.0')"), Ok(json!(false)));
        assert!(evaluate("'x'.atLeast('8.8.0')").unwrap_err().to_string().contains("is no version"));
    }

    #[test]
    fn what_is_null_or_absent_is_not_there() {
        assert_eq!(evaluate("has(self.spec.none)"), Ok(json!(false)));
        assert_eq!(evaluate("self.?spec.?other.?list.orValue([]).exists(x, x == 'a')"), Ok(json!(false)));
        assert_eq!(evaluate("self.?spec.?list.orValue([]).exists(x, x == 'a')"), Ok(json!(true)));
    }

    #[test]
    fn text_holds_values_and_a_lone_expression_keeps_its_type() {
        let value = |text: &str| Template::compile(text, &["self"]).and_then(|t| t.value(&variables()));
        assert_eq!(value("v${self.spec.version}!"), Ok(json!("v8.8.0-SNAPSHOT!")));
        assert_eq!(value("${1 + 1}"), Ok(json!(2)));
        assert_eq!(value("${{'}': '{'}}"), Ok(json!({"}": "{"})));
        assert_eq!(value("${1"), Err(CelError::Open));
    }

    #[test]
    fn a_hostile_expression_ends_soon() {
        let known = ["self"];
        let refused = |text: &str| Expression::compile(text, &known).unwrap_err();
        assert_eq!(refused(&"(".repeat(400)), CelError::Deep);
        assert_eq!(refused(&format!("{}1", "-".repeat(900))), CelError::Deep);
        assert_eq!(refused(&"1+".repeat(600)), CelError::Long(1200));
        let three = "self.spec.list.map(a, self.spec.list.map(b, self.spec.list.map(c, c)))";
        assert_eq!(refused(three), CelError::Loops);
        let mut variables = Variables::default();
        variables.set("self", &Json::from((0..20_000).collect::<Vec<i32>>()));
        let nested = Expression::compile("self.exists(a, self.exists(b, a + b < 0))", &known).unwrap();
        assert_eq!(nested.evaluate(&variables), Err(CelError::Expensive(20_000)));
        assert!(matches!(refused("nobody.spec"), CelError::Name { .. }));
        assert!(matches!(refused("1 +"), CelError::Syntax(_)));
    }

    #[test]
    fn a_loop_over_a_long_list_takes_no_time() {
        let mut variables = Variables::default();
        variables.set("self", &Json::from((0..100_000).collect::<Vec<i32>>()));
        let all = Expression::compile("self.map(a, a).filter(a, a > 0).size()", &["self"]).unwrap();
        assert_eq!(all.evaluate(&variables), Ok(json!(99_999)));
    }
}
