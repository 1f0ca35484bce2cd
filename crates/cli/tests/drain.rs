//! `ringfence serve` is told to end while it is asked: no request stays without its answer.
#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[path = "common/serving.rs"]
mod serving;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use serving::Serving;

const PATIENCE: Duration = Duration::from_mins(1);
const ASKING: usize = 6;

fn review() -> String {
    json!({"request": {"uid": "u", "operation": "CREATE", "namespace": "shop", "name": "web", "userInfo": {"username": "a"},
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": []}}}})
    .to_string()
}

/// One request and its answer, on a connection that goes on: the head, in lower case.
fn ask(stream: &mut BufReader<TcpStream>, body: &str) -> String {
    let head = format!(
        "POST /validate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}",
        body.len()
    );
    stream.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert_ne!(stream.read_line(&mut head).unwrap(), 0, "closed without an answer");
    }
    let head = head.to_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).unwrap();
    let answer: Value = serde_json::from_slice(&answer).unwrap();
    assert_eq!(answer["response"]["allowed"], true, "{answer}");
    head
}

#[test]
fn who_keeps_a_connection_is_told_to_let_it_go_before_it_is_closed() {
    // Longer than any of them takes to ask once more; nobody waits for its end.
    let mut server = Serving::example(&["--drain-delay", "600"]);
    let answered = Arc::new(AtomicUsize::new(0));
    let (address, body) = (server.address, review());
    let asking: Vec<_> = (0..ASKING)
        .map(|_| {
            let (answered, body) = (Arc::clone(&answered), body.clone());
            std::thread::spawn(move || {
                let stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                let mut stream = BufReader::new(stream);
                while !ask(&mut stream, &body).contains("connection: close\r\n") {
                    answered.fetch_add(1, SeqCst);
                }
                assert_eq!(stream.read(&mut [0]).unwrap(), 0, "it is closed by who said so");
            })
        })
        .collect();
    while answered.load(SeqCst) < ASKING * 5 {
        std::thread::sleep(Duration::from_millis(5));
    }
    server.terminate();
    for thread in asking {
        thread.join().unwrap();
    }
    // The second word ends it at once.
    server.terminate();
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// Asks again and again until the server says goodbye; what it took before that, it has to answer.
async fn ask_until_goodbye(
    mut client: h2::client::SendRequest<Bytes>,
    body: Bytes,
    answered: Arc<AtomicU32>,
) -> Result<(), h2::Error> {
    loop {
        // Whatever is wrong before it is sent, no request is lost.
        let Ok(ready) = client.ready().await else { return Ok(()) };
        client = ready;
        let request = http::Request::post("http://x/validate").header("content-type", "application/json").body(());
        let Ok((response, mut stream)) = client.send_request(request.unwrap(), false) else { return Ok(()) };
        let sent = stream.send_data(body.clone(), true);
        let response = match response.await {
            Ok(response) => response,
            // Such a stream was not looked at: it came after the goodbye.
            Err(error) if is_goodbye(&error) => return Ok(()),
            Err(error) => return Err(error),
        };
        sent?;
        assert_eq!(response.status(), 200);
        let mut body = response.into_body();
        let mut answer = Vec::new();
        while let Some(data) = body.data().await {
            answer.extend_from_slice(&data?);
        }
        assert!(String::from_utf8_lossy(&answer).contains(r#""allowed":true"#));
        answered.fetch_add(1, SeqCst);
    }
}

#[test]
fn what_was_asked_over_http2_before_the_goodbye_is_answered() {
    // At once: the goodbye comes while all of them ask.
    let mut server = Serving::example(&["--drain-delay", "0"]);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let answered = Arc::new(AtomicU32::new(0));
    let ended = runtime.block_on(async {
        let stream = tokio::net::TcpStream::connect(server.address).await.unwrap();
        let (client, connection) = h2::client::handshake(stream).await.unwrap();
        tokio::spawn(connection);
        let asking: Vec<_> = (0..ASKING)
            .map(|_| tokio::spawn(ask_until_goodbye(client.clone(), review().into(), Arc::clone(&answered))))
            .collect();
        drop(client);
        while answered.load(SeqCst) < 50 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        server.terminate();
        let mut ended = Vec::new();
        for task in asking {
            ended.push(tokio::time::timeout(PATIENCE, task).await.unwrap().unwrap());
        }
        ended
    });
    assert!(ended.iter().all(Result::is_ok), "{ended:?}");
    assert_eq!(server.child.wait().unwrap().code(), Some(0));
}

/// That the server leaves, and not that something went wrong.
fn is_goodbye(error: &h2::Error) -> bool {
    error.is_go_away() && error.reason() == Some(h2::Reason::NO_ERROR)
}
