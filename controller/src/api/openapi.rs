//! The OpenAPI document of the read API, out of its table.

use serde_json::{Map, Value, json};

use super::table::{Field, Form, Kind, ROUTES, Route, Takes};

/// The document (OpenAPI 3.1.0), served at `/openapi.json` and kept in `docs/`.
pub fn document() -> Value {
    let mut paths: Map<String, Value> = ROUTES.iter().map(|route| (route.path.to_owned(), path(route))).collect();
    paths.extend(OTHERS.iter().map(|other| (other.path.to_owned(), other_path(other))));
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Trunkline",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What a running controller knows: switches, ports, links, hosts, paths, rules, groups, events, BGP neighbours and routes. Served at \
                            http.listen and at the Unix socket http.socket. What changes something is a POST, and taken from programs of this machine only.",
        },
        "paths": paths,
        "components": { "schemas": { "Error": object(&[ERROR]) } },
    })
}

/// Something that is served beside the table's routes: for Prometheus, for `trunkline bgp` and for those who change something.
struct Other {
    path: &'static str,
    is_post: bool,
    about: &'static str,
    /// Names in the query, and what they say.
    parameters: &'static [(&'static str, &'static str)],
    /// The form of the answer.
    answer: &'static str,
}

const PLAIN: &str = "text/plain";
const JSON: &str = "application/json";

const fn get(
    path: &'static str,
    answer: &'static str,
    about: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Other {
    Other { path, is_post: false, about, parameters, answer }
}

const fn post(
    path: &'static str,
    answer: &'static str,
    about: &'static str,
    parameters: &'static [(&'static str, &'static str)],
) -> Other {
    Other { path, is_post: true, about, parameters, answer }
}

static OTHERS: &[Other] = &[
    get("/metrics", PLAIN, "All metrics in Prometheus' text format (docs/metrics.md).", &[]),
    get("/healthz", PLAIN, "200 if every part of the program runs, else 503 and what does not.", &[]),
    get(
        "/bgp/neighbors",
        JSON,
        "BGP neighbours and the tables, as `trunkline bgp neighbors -o json` prints them.",
        &[],
    ),
    get("/bgp/routes", JSON, "Routes, page by page, as `trunkline bgp routes` asks for them.", BGP_ROUTES),
    get("/bgp/why", JSON, "Why the best path of a prefix is the best, and what became of the others.", BGP_WHY),
    get("/bgp/mrt", "application/octet-stream", "The tables as an MRT file (RFC 6396).", &[]),
    post("/bgp/shutdown", JSON, "Ends a neighbour's session, and keeps it down.", BGP_SHUTDOWN),
    post("/bgp/start", JSON, "Lets a neighbour's session come up again.", BGP_START),
    post("/bgp/reset", JSON, "Ends a neighbour's session, or asks for its routes again.", BGP_RESET),
    post(
        "/audit",
        JSON,
        "Holds switches against what was put there, and puts right what differs.",
        &[("switch", "Only this one: its name or its datapath id.")],
    ),
    post(
        "/reload",
        JSON,
        "Takes on the configuration in the body; without one, the process's own file as it is now.",
        FILE,
    ),
    post("/plan", JSON, "What taking on the configuration in the body would do. It does nothing.", FILE),
    post(
        "/apply",
        JSON,
        "Takes on the configuration in the body.",
        &[
            ("file", "What the body is called in the answer."),
            ("confirm", "So many seconds within which it has to be confirmed, or the one before counts again."),
        ],
    ),
    post("/confirm", JSON, "The configuration that waits stays.", &[("number", "The one that is meant.")]),
    post(
        "/rollback",
        JSON,
        "The configuration before counts again.",
        &[("to", "The number of the one that is meant.")],
    ),
];

const NEIGHBOR: (&str, &str) = ("neighbor", "The neighbour's address.");
const MESSAGE: (&str, &str) = ("message", "What the neighbour is told of the reason.");
const BGP_ROUTES: &[(&str, &str)] = &[
    ("family", "`ipv4-unicast` or `ipv6-unicast`."),
    ("table", "With `neighbor`: `in` for what it has sent, `out` for what it has been sent."),
    NEIGHBOR,
    ("after", "Go on behind this one."),
    ("limit", "At most so many."),
];
const BGP_WHY: &[(&str, &str)] = &[("prefix", "The prefix.")];
const BGP_SHUTDOWN: &[(&str, &str)] = &[NEIGHBOR, MESSAGE];
const BGP_START: &[(&str, &str)] = &[NEIGHBOR];
const BGP_RESET: &[(&str, &str)] =
    &[NEIGHBOR, MESSAGE, ("soft", "`in` or `out`: the session goes on, and these routes come again.")];
const FILE: &[(&str, &str)] = &[("file", "What the body is called in the answer.")];

fn other_path(other: &Other) -> Value {
    let id = other.path.trim_start_matches('/').replace('/', "_");
    let parameter = |(name, about): &(&str, &str)| json!({ "name": name, "in": "query", "required": false, "description": about, "schema": { "type": "string" } });
    let parameters: Vec<Value> = other.parameters.iter().map(parameter).collect();
    let method = if other.is_post { "post" } else { "get" };
    let schema = if other.answer == JSON { json!({}) } else { json!({ "type": "string" }) };
    json!({ method: {
        "operationId": id,
        "summary": other.about,
        "parameters": parameters,
        "responses": {
            "200": { "description": "The answer.", "content": { other.answer: { "schema": schema } } },
            "default": { "description": "What is wrong, as a text.", "content": { PLAIN: { "schema": { "type": "string" } } } },
        },
    } })
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
