//! The OpenAPI document of the read API, out of its table.

use serde_json::{Map, Value, json};

use super::table::{Field, Form, Kind, ROUTES, Route, Takes};

/// The document (OpenAPI 3.1.0), served at `/openapi.json` and kept in `docs/`.
pub fn document() -> Value {
    let paths: Map<String, Value> = ROUTES.iter().map(|route| (route.path.to_owned(), path(route))).collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running controller knows: switches, ports, links, hosts, paths, rules, groups, events. Read-only. Served at http.listen and \
                            at the Unix socket http.socket.",
        },
        "paths": paths,
        "components": { "schemas": { "Error": object(&[ERROR]) } },
    })
}

const ERROR: Field =
    Field { name: "error", kind: Kind::Text, nullable: false, heading: "", about: "What is wrong, as a sentence." };

fn path(route: &Route) -> Value {
    let parameters: Vec<Value> = route.parameters.iter().map(parameter).collect();
    let id = route.path.rsplit('/').next().unwrap_or_default();
    let answer = |about: &str, schema: Value| json!({ "description": about, "content": { "application/json": { "schema": schema } } });
    let error = |about: &str| answer(about, json!({ "$ref": "#/components/schemas/Error" }));
    json!({ "get": {
        "operationId": id,
        "summary": route.about,
        "parameters": parameters,
        "responses": {
            "200": answer("The answer.", schema(route)),
            "400": error("A parameter is wrong."),
            "404": error("A switch or host is not known."),
            "503": error("It cannot be told now."),
        },
    } })
}

fn parameter(parameter: &super::table::Parameter) -> Value {
    let schema = match parameter.takes {
        Takes::Number(min, max) => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Takes::Switch | Takes::Text => json!({ "type": "string" }),
    };
    json!({
        "name": parameter.name, "in": "query", "required": parameter.required, "description": parameter.about, "schema": schema,
    })
}

fn schema(route: &Route) -> Value {
    if route.form == Form::One {
        return object(route.row);
    }
    let mut schema = object(route.beside);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("rows".to_owned(), json!({ "type": "array", "items": object(route.row) }));
        if route.form == Form::Pages {
            let about = "The `after` of the next page; not there on the last one.";
            properties.insert("next".to_owned(), json!({ "type": "string", "description": about }));
        }
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.push(json!("rows"));
    }
    schema
}

fn object(fields: &[Field]) -> Value {
    let properties: Map<String, Value> = fields.iter().map(|field| (field.name.to_owned(), value(field))).collect();
    let required: Vec<&str> = fields.iter().map(|field| field.name).collect();
    json!({ "type": "object", "properties": properties, "required": required, "additionalProperties": false })
}

fn value(field: &Field) -> Value {
    let name = match field.kind {
        Kind::Text | Kind::Time => "string",
        Kind::Number => "integer",
        Kind::Boolean => "boolean",
        Kind::Texts => "array",
    };
    let kind = if field.nullable { json!([name, "null"]) } else { json!(name) };
    let mut schema = json!({ "type": kind, "description": field.about });
    if let Value::Object(schema) = &mut schema {
        match field.kind {
            Kind::Time => drop(schema.insert("format".to_owned(), json!("date-time"))),
            Kind::Texts => drop(schema.insert("items".to_owned(), json!({ "type": "string" }))),
            Kind::Number => drop(schema.insert("minimum".to_owned(), json!(0))),
            Kind::Text | Kind::Boolean => {}
        }
    }
    schema
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn the_document_is_as_generated() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/openapi.json");
        let generated = format!("{:#}\n", document());
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&file, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(&file).unwrap_or_default();
        assert!(committed == generated, "docs/openapi.json is out of date: run the test again with UPDATE_EXPECT=1");
    }
}
