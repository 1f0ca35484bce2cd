//! Writes `src/schema/types.rs`: the fields of every type reachable from the workload kinds, from k8s-openapi.
//!
//! With `--write` it replaces the file. Without, it fails if the file is not what it would write.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use k8s_openapi::api::{apps::v1 as apps, batch::v1 as batch, core::v1 as core};
use k8s_openapi::schemars::SchemaGenerator;
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/schema/types.rs");
    let fresh = render()?;
    if std::env::args().any(|a| a == "--write") {
        return Ok(std::fs::write(path, fresh)?);
    }
    if std::fs::read_to_string(path)? != fresh {
        return Err(format!("{path} is not what k8s-openapi's types say; run this with --write").into());
    }
    Ok(())
}

fn render() -> Result<String, Box<dyn std::error::Error>> {
    let mut generator = SchemaGenerator::default();
    let mut roots = Vec::new();
    // In the order of `WorkloadKind::ALL`.
    macro_rules! root {
        ($($kind:ty)*) => {$(roots.push(reference(generator.subschema_for::<$kind>().as_value())?);)*};
    }
    root!(core::Pod core::PodTemplate core::ReplicationController apps::ReplicaSet apps::Deployment apps::StatefulSet
          apps::DaemonSet batch::Job batch::CronJob);
    let definitions: BTreeMap<String, Value> =
        generator.take_definitions(true).into_iter().map(|(name, schema)| (short(&name).to_owned(), schema)).collect();

    let mut reachable = BTreeSet::new();
    let mut open = roots.clone();
    while let Some(name) = open.pop() {
        if leaf(&name).is_none() && reachable.insert(name.clone()) {
            let definition = definitions.get(&name).ok_or("a reference to nothing")?;
            references(definition, &mut open);
        }
    }
    let index: BTreeMap<&str, usize> = reachable.iter().enumerate().map(|(i, n)| (n.as_str(), i)).collect();

    let mut out = String::from(
        "//! The fields of the API's types, Kubernetes v1.37.\n//!\n\
         //! Generated from k8s-openapi by `examples/generate_schema.rs`; do not edit.\n\n\
         use super::Shape::{Any, Bool, I32, I64, IntOrString, List, Map, Object, Quantity, Str, Time};\n\
         use super::Type;\n\n\
         /// The types of the workload kinds, in the order of `WorkloadKind::ALL`.\n",
    );
    let roots: Vec<String> = roots.iter().map(|r| index[r.as_str()].to_string()).collect();
    writeln!(out, "pub(super) const ROOTS: [u16; {}] = [{}];\n", roots.len(), roots.join(", "))?;
    out.push_str(
        "/// All types, their fields sorted by name.\n#[rustfmt::skip]\npub(super) static TYPES: &[Type] = &[\n",
    );
    for name in &reachable {
        writeln!(out, "    Type {{ name: {name:?}, fields: &[")?;
        let fields = definitions[name].get("properties").and_then(Value::as_object);
        let sorted: BTreeMap<_, _> = fields.into_iter().flatten().collect();
        for (field, schema) in sorted {
            writeln!(out, "        ({field:?}, {}),", shape(schema, &index)?)?;
        }
        out.push_str("    ] },\n");
    }
    out.push_str("];\n");
    Ok(out)
}

fn short(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

fn reference(schema: &Value) -> Result<String, Box<dyn std::error::Error>> {
    let name = schema.get("$ref").and_then(Value::as_str).ok_or("not a reference")?;
    Ok(short(name).to_owned())
}

fn references(schema: &Value, out: &mut Vec<String>) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(name)) = map.get("$ref") {
                out.push(short(name).to_owned());
            }
            map.values().for_each(|v| references(v, out));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, out)),
        _ => {}
    }
}

/// Types that are not structs.
fn leaf(name: &str) -> Option<&'static str> {
    Some(match name {
        "Quantity" => "Quantity",
        "IntOrString" => "IntOrString",
        "Time" | "MicroTime" => "Time",
        "FieldsV1" | "RawExtension" => "Any",
        _ => return None,
    })
}

fn shape(schema: &Value, index: &BTreeMap<&str, usize>) -> Result<String, Box<dyn std::error::Error>> {
    if let Ok(name) = reference(schema) {
        return Ok(leaf(&name).map_or_else(|| format!("Object({})", index[name.as_str()]), str::to_owned));
    }
    let text = |key| schema.get(key).and_then(Value::as_str).unwrap_or_default();
    Ok(match (text("type"), text("format")) {
        ("string", "") => "Str".to_owned(),
        ("boolean", _) => "Bool".to_owned(),
        ("integer", "int32") => "I32".to_owned(),
        ("integer", "int64") => "I64".to_owned(),
        ("array", _) => format!("List(&{})", shape(&schema["items"], index)?),
        ("object", _) if schema.get("additionalProperties").is_some() => {
            format!("Map(&{})", shape(&schema["additionalProperties"], index)?)
        }
        other => return Err(format!("no shape for {other:?}: {schema}").into()),
    })
}
