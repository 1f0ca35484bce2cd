use super::sampler::Sampler;
use super::settings::{TraceError, Traces};
use super::span::{Attribute, Span, request};
use super::tracer::Tracer;
use crate::webhook::{Trace, trace_of};
use hyper::HeaderMap;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

fn traces(variables: &[(&str, &str)]) -> Result<Option<Traces>, TraceError> {
    let get = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
    Traces::from_environment(get)
}

fn caller(flags: &str) -> Trace {
    let text = format!("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}");
    let header = (hyper::header::HeaderName::from_static("traceparent"), text.parse().unwrap());
    trace_of(&HeaderMap::from_iter([header])).unwrap()
}

#[test]
fn traces_are_off_unless_an_endpoint_is_named() {
    assert!(traces(&[]).unwrap().is_none());
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");
    assert!(traces(&[endpoint, ("OTEL_SDK_DISABLED", "true")]).unwrap().is_none());
    assert!(traces(&[endpoint, ("OTEL_TRACES_EXPORTER", "none")]).unwrap().is_none());
    assert_eq!(traces(&[endpoint]).unwrap().unwrap().endpoint, "http://collector:4318/v1/traces");
    // The more special one is taken as it is.
    let special = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://x/y");
    assert_eq!(traces(&[endpoint, special]).unwrap().unwrap().endpoint, "https://x/y");
}

#[test]
fn what_cannot_be_done_is_said_without_secrets() {
    let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318");
    let error = |variables: &[(&str, &str)]| traces(variables).unwrap_err().to_string();
    assert!(error(&[endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).contains("over HTTP only"));
    assert!(error(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "ftp://user:SECRET@x")]).ends_with("is no http or https URL"));
    assert!(error(&[endpoint, ("OTEL_TRACES_SAMPLER", "sometimes")]).contains("\"sometimes\""));
    assert!(
        error(&[endpoint, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")]).contains("share")
    );
    assert!(!error(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "a b=SECRET")]).contains("SECRET"));
    let traces = traces(&[endpoint, ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20SECRET")]).unwrap().unwrap();
    assert_eq!(traces.headers[0].1, "Bearer SECRET");
    assert!(!format!("{traces:?}").contains("SECRET"));
}

#[test]
fn a_collectors_authority_is_read_from_a_file_or_there_are_no_traces() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let key = rcgen::generate_simple_self_signed(["collector".to_owned()]).unwrap();
    let (good, empty) = (file("good", &key.cert.pem()), file("empty", "nothing"));
    let of =
        |path: &str| traces(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "https://x"), ("OTEL_EXPORTER_OTLP_CERTIFICATE", path)]);
    assert_eq!(of(&good).unwrap().unwrap().authorities.unwrap().len(), 1);
    assert!(of(&empty).unwrap_err().to_string().ends_with("has no certificate"));
    assert!(of("/nowhere").unwrap_err().to_string().starts_with("cannot read OTEL_EXPORTER_OTLP_CERTIFICATE"));
}

#[test]
fn a_service_is_named_by_its_own_variable_first() {
    let of = |more: &[(&str, &str)]| {
        let all: Vec<_> = [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://x")].iter().chain(more).copied().collect();
        traces(&all).unwrap().unwrap().resource
    };
    let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    assert_eq!(of(&[]), [pair("service.name", "ringfence")]);
    let attributes = ("OTEL_RESOURCE_ATTRIBUTES", "service.name=a,k8s.pod.name=p%2C1,broken");
    assert_eq!(of(&[attributes]), [pair("service.name", "a"), pair("k8s.pod.name", "p,1")]);
    assert_eq!(of(&[attributes, ("OTEL_SERVICE_NAME", "b")]), [pair("k8s.pod.name", "p,1"), pair("service.name", "b")]);
}

#[test]
fn samplers_do_as_their_names_say() {
    let id = |last: u8| {
        let mut id = [0xff; 16];
        id[9] = last;
        id
    };
    let samples = |name: &str, argument, trace, parent| Sampler::of(name, argument).unwrap().samples(trace, parent);
    assert!(samples("always_on", None, id(0), Some(false)));
    assert!(!samples("always_off", None, id(0), Some(true)));
    assert!(samples("parentbased_always_off", None, id(0), Some(true)));
    assert!(!samples("parentbased_always_off", None, id(0), None));
    assert!(!samples("parentbased_always_on", None, id(0), Some(false)));
    assert!(samples("traceidratio", Some("0.5"), id(0x7f), Some(false)));
    assert!(!samples("traceidratio", Some("0.5"), id(0x80), Some(true)));
    assert!(samples("parentbased_traceidratio", Some("0"), id(0), Some(true)));
    assert_eq!(Sampler::of("traceidratio", Some("nan")), None);
}

#[test]
fn a_full_queue_drops_and_counts_and_never_waits() {
    let (send, mut queue) = tokio::sync::mpsc::channel(1);
    let dropped = Arc::new(AtomicU64::new(0));
    let tracer = Arc::new(Tracer::new(Sampler::default(), send, Arc::clone(&dropped)));
    for _ in 0..3 {
        let mut active = tracer.start("/validate", Some(&caller("01"))).unwrap();
        active.child("judge", 1);
        active.finish(200);
    }
    assert_eq!(dropped.load(Relaxed), 4);
    let spans = queue.try_recv().unwrap();
    let [child, root] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((child.parent, child.trace), (Some(root.id), root.trace));
    assert_eq!(root.parent, Some([0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7]));
    assert!(tracer.start("/validate", Some(&caller("00"))).is_none(), "the caller does not tell of it");
    let (one, other) = (tracer.start("/validate", None).unwrap(), tracer.start("/validate", None).unwrap());
    one.finish(200);
    other.finish(200);
    assert_ne!(queue.try_recv().unwrap()[0].trace, spans[0].trace);
}

#[test]
fn spans_are_written_as_otlp_has_them_in_json() {
    let span = Span {
        trace: [0xab; 16],
        id: [1; 8],
        parent: None,
        name: "/validate",
        is_root: true,
        from: 1,
        to: 2,
        attributes: vec![
            ("a", Attribute::Text("x".repeat(1000))),
            ("b", Attribute::Int(7)),
            ("c", Attribute::Bool(true)),
        ],
        failed: true,
    };
    let request = request(&[("service.name".to_owned(), "s".to_owned())], &[span]);
    let resource = &request["resourceSpans"][0]["resource"]["attributes"][0];
    assert_eq!(resource, &json!({"key": "service.name", "value": {"stringValue": "s"}}));
    let span = &request["resourceSpans"][0]["scopeSpans"][0]["spans"][0];
    assert_eq!(span["traceId"], "ab".repeat(16));
    assert_eq!((&span["startTimeUnixNano"], &span["kind"]), (&json!("1"), &json!(2)));
    assert_eq!(span["status"], json!({"code": 2}));
    assert_eq!(span["attributes"][0]["value"]["stringValue"].as_str().unwrap().len(), 256);
    assert_eq!(span["attributes"][1]["value"], json!({"intValue": "7"}));
    assert_eq!(span.get("parentSpanId"), None);
}
